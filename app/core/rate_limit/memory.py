"""The limiter of one process: the algorithms of `hit.lua`, in Python."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress

from app.core.rate_limit.policy import (
    MICROSECONDS,
    NEVER,
    Decision,
    Hit,
    Outcome,
    Policy,
    Receipt,
    counter_key,
    decide,
    distinct_keys,
)


class SlidingLog:
    """When each hit was, oldest first; a hit counts until a window later."""

    def __init__(self) -> None:
        self.stamps: deque[int] = deque()

    def read(self, policy: Policy, now: int) -> tuple[int, int]:
        """What remains, and the time until there is more."""
        while self.stamps and self.stamps[0] + policy.window_us <= now:
            self.stamps.popleft()
        reset = self.stamps[0] + policy.window_us - now if self.stamps else 0
        return max(0, policy.limit - len(self.stamps)), reset

    def wait(self, hit: Hit, now: int) -> int:
        excess = len(self.stamps) + hit.cost - hit.policy.limit
        return self.stamps[excess - 1] + hit.policy.window_us - now

    def take(self, hit: Hit, now: int) -> int:
        self.stamps.extend([now] * hit.cost)
        return now

    def give_back(self, hit: Hit, stamp: int, now: int) -> None:
        with suppress(ValueError):  # expired since
            for _ in range(hit.cost):
                self.stamps.remove(stamp)


class Gcra:
    """When the counter will be full again (ITU-T I.371, theoretical arrival time)."""

    def __init__(self) -> None:
        self.full_at = 0

    def read(self, policy: Policy, now: int) -> tuple[int, int]:
        """What remains, and the time until there is more."""
        self.full_at = max(self.full_at, now)
        debt, interval = self.full_at - now, policy.interval_us
        reset = (debt - 1) % interval + 1 if debt else 0
        return max(0, policy.limit - -(-debt // interval)), reset

    def wait(self, hit: Hit, now: int) -> int:
        room = (hit.policy.limit - hit.cost) * hit.policy.interval_us
        return self.full_at - room - now

    def take(self, hit: Hit, now: int) -> int:
        self.full_at += hit.cost * hit.policy.interval_us
        return self.full_at

    def give_back(self, hit: Hit, stamp: int, now: int) -> None:
        # Counters drain oldest first: at the time of its stamp a hit has drained, and
        # what is owed from then on is owed for later ones.
        owed = min(hit.cost * hit.policy.interval_us, max(0, stamp - now))
        self.full_at -= owed


Counter = SlidingLog | Gcra


class MemoryRateLimiter:
    """Counts in this process, forgetting the counters least recently hit.

    No method waits for anything, so that each is atomic without a lock.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, max_keys: int = 50_000
    ) -> None:
        self._clock = clock
        self._max_keys = max_keys
        self._counters: OrderedDict[str, Counter] = OrderedDict()

    async def hit(self, *hits: Hit) -> Decision:
        now = self._now()
        distinct_keys(hits)
        counted = [(self._find(hit), hit) for hit in hits]
        outcomes = [_judge(counter, hit, now) for counter, hit in counted]
        if not any(outcome.wait for outcome in outcomes):
            outcomes = [self._take(counter, hit, now) for counter, hit in counted]
        return decide(hits, outcomes)

    def record(self, *hits: Hit) -> Receipt:
        """Count what was allowed elsewhere, whether it fits here or not."""
        now = self._now()
        taken = [(hit, self._add(self._find(hit), hit, now)) for hit in hits]
        return Receipt(taken)

    async def refund(self, decision: Decision) -> None:
        self.give_back(decision.receipt)

    def give_back(self, receipt: Receipt) -> None:
        now = self._now()
        for hit, stamp in receipt.spend():
            counter = self._counters.get(hit.key)
            if counter is not None:
                counter.give_back(hit, stamp, now)

    async def reset(self, policy: Policy, partition: str) -> None:
        self._counters.pop(counter_key(policy, partition), None)

    def _now(self) -> int:
        return round(self._clock() * MICROSECONDS)

    def _find(self, hit: Hit) -> Counter:
        """Looking refreshes a counter: insisting while refused does not age it."""
        counter = self._counters.get(hit.key)
        if counter is None:
            return SlidingLog() if hit.policy.algorithm == "log" else Gcra()
        self._counters.move_to_end(hit.key)
        return counter

    def _take(self, counter: Counter, hit: Hit, now: int) -> Outcome:
        stamp = self._add(counter, hit, now)
        return Outcome(*counter.read(hit.policy, now), wait=0, stamp=stamp)

    def _add(self, counter: Counter, hit: Hit, now: int) -> int:
        if not hit.cost:
            return 0
        self._counters[hit.key] = counter
        if len(self._counters) > self._max_keys:
            self._counters.popitem(last=False)
        return counter.take(hit, now)


def _judge(counter: Counter, hit: Hit, now: int) -> Outcome:
    remaining, reset = counter.read(hit.policy, now)
    if hit.cost > hit.policy.limit:
        wait = NEVER
    else:
        wait = counter.wait(hit, now) if hit.cost > remaining else 0
    return Outcome(remaining, reset, wait, stamp=0)
