"""The Redis drill in short; `python -m drills.redis_outage` also compares times."""

from pathlib import Path

from drills.redis_outage import drill


def test_fails_nobody_lets_nobody_by_and_heals(tmp_path: Path) -> None:
    # Mutants: to let all by while Redis is away lets in too many; to give up on it
    # never heals.
    outcome = drill(tmp_path, seconds=2)

    assert outcome.failures == 0, str(outcome)
    assert outcome.too_many == [], str(outcome)
    assert outcome.healed, str(outcome)
