"""The Redis drill in short; `python -m drills.redis_outage` is its long form."""

from pathlib import Path

from drills.redis_outage import drill

ATTEMPTS = 3  # a busy machine has slow phases of its own, elsewhere each time
# Whoever waits for Redis waits longer than this; `python -m drills.redis_outage` shows
# what lies below it, on a machine with nothing else to do.
WAIT_MS = 100


def test_fails_nobody_lets_nobody_by_and_makes_nobody_wait(tmp_path: Path) -> None:
    """Mutants: no breaker; to let all by while Redis is away; to give up on it."""
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
