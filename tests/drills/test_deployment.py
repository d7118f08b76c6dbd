"""The short deployment drill; `python -m drills.deployment` is the long form."""

from pathlib import Path

from drills.deployment import drill


async def test_a_deployment_fails_no_request(
    tmp_path: Path, postgres_database_url: str
) -> None:
    """Mutants: no delay; readiness stays 200; answers keep their connections."""
    outcome = await drill(
        tmp_path, postgres_database_url, requests=500, delay=2, reloads=False
    )

    assert outcome.kept, str(outcome)
    assert len(outcome.timeline.answers) >= 500
