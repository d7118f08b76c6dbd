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
        keys = distinct_keys(hits)
        counters = [self._find(key, hit) for key, hit in zip(keys, hits, strict=True)]
        outcomes = [
            _judge(counter, hit, now)
            for counter, hit in zip(counters, hits, strict=True)
        ]
        if not any(outcome.wait for outcome in outcomes):
            outcomes = [
                self._take(key, counter, hit, now)
                for key, counter, hit in zip(keys, counters, hits, strict=True)
            ]
        return decide(hits, outcomes)

    async def refund(self, decision: Decision) -> None:
        now = self._now()
        for hit, stamp in decision.receipt.spend():
            counter = self._counters.get(hit.key)
            if counter is not None:
                counter.give_back(hit, stamp, now)

    async def reset(self, policy: Policy, partition: str) -> None:
        self._counters.pop(counter_key(policy, partition), None)

    def _now(self) -> int:
        return round(self._clock() * MICROSECONDS)

    def _find(self, key: str, hit: Hit) -> Counter:
        """Looking refreshes a counter: insisting while refused does not age it."""
        if key in self._counters:
            self._counters.move_to_end(key)
            return self._counters[key]
        return SlidingLog() if hit.policy.algorithm == "log" else Gcra()

    def _take(self, key: str, counter: Counter, hit: Hit, now: int) -> Outcome:
        stamp = 0
        if hit.cost:
            stamp = counter.take(hit, now)
            self._counters[key] = counter
            if len(self._counters) > self._max_keys:
                self._counters.popitem(last=False)
        return Outcome(*counter.read(hit.policy, now), wait=0, stamp=stamp)


def _judge(counter: Counter, hit: Hit, now: int) -> Outcome:
    remaining, reset = counter.read(hit.policy, now)
    if hit.cost > hit.policy.limit:
        wait = NEVER
    else:
        wait = counter.wait(hit, now) if hit.cost > remaining else 0
    return Outcome(remaining, reset, wait, stamp=0)
