"""The Redis drill in short; `python -m drills.redis_outage` is the long form."""

from pathlib import Path

from drills.redis_outage import OUTAGES, drill


def test_fails_nobody_lets_nobody_by_and_heals(tmp_path: Path) -> None:
    # Mutants: to let all by while Redis is away lets in too many; to block the event
    # loop while waiting for it slows the others; to give up on it never heals.
    slow = set(OUTAGES)
    for attempt in range(3):  # neighbours make noise, but not always the same
        home = tmp_path / str(attempt)
        home.mkdir()
        outcome = drill(home, seconds=2)

        assert outcome.failures == 0, str(outcome)
        assert outcome.too_many == [], str(outcome)
        assert outcome.healed, str(outcome)
        slow.intersection_update(outcome.slow)
        if not slow:
            break
    assert not slow
