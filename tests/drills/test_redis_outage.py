"""The short Redis drill; `python -m drills.redis_outage` is the long form."""

from pathlib import Path

from drills.redis_outage import drill

ATTEMPTS = 3  # a busy machine is slow for other reasons, each time in another phase
# A request that waits for Redis takes longer than this. To see smaller differences, run
# `python -m drills.redis_outage` on an idle machine.
WAIT_MS = 100


def test_an_outage_fails_no_request_lifts_no_limit_and_delays_no_other(
    tmp_path: Path,
) -> None:
    """Mutants: no breaker; no limits during the outage; no return to Redis."""
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
