"""The Redis drill in short; `python -m drills.redis_outage` is its long form."""

from pathlib import Path

from drills.redis_outage import drill

ATTEMPTS = 3  # a busy machine has slow phases of its own, each time another one
# A request that waits for Redis takes longer than this. To see smaller differences, run
# `python -m drills.redis_outage` on an idle machine.
WAIT_MS = 100


def test_fails_no_request_passes_no_limit_and_makes_no_other_request_wait(
    tmp_path: Path,
) -> None:
    """Mutants: no breaker; no limits while Redis is away; no return to Redis."""
    outcomes = []
    for attempt in range(ATTEMPTS):
        directory = tmp_path / str(attempt)
        directory.mkdir()
        outcome = drill(directory, seconds=2)

        assert outcome.failures == 0, str(outcome)
        assert outcome.too_many == [], str(outcome)
        assert outcome.healed, str(outcome)
        outcomes.append(outcome)
        slow = (set(each.slow(at_least_ms=WAIT_MS)) for each in outcomes)
        if not set.intersection(*slow):
            return
    raise AssertionError("\n".join(map(str, outcomes)))
