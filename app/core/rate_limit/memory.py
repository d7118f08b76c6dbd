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

    def catch_up(self, policy: Policy, now: int) -> None:
        while self.stamps and self.stamps[0] + policy.window_us <= now:
            self.stamps.popleft()

    def wait(self, hit: Hit, now: int) -> int:
        excess = len(self.stamps) + hit.cost - hit.policy.limit
        if excess <= 0:
            return 0
        return self.stamps[excess - 1] + hit.policy.window_us - now

    def take(self, hit: Hit, now: int) -> int:
        self.stamps.extend([now] * hit.cost)
        return now

    def give_back(self, hit: Hit, stamp: int, now: int) -> None:
        with suppress(ValueError):  # expired since
            for _ in range(hit.cost):
                self.stamps.remove(stamp)

    def quota(self, policy: Policy, now: int) -> tuple[int, int]:
        reset = self.stamps[0] + policy.window_us - now if self.stamps else 0
        return max(0, policy.limit - len(self.stamps)), reset


class Gcra:
    """When the counter will be full again: the theoretical arrival time.

    The generic cell rate algorithm, ITU-T I.371, as a virtual scheduler.
    """

    def __init__(self) -> None:
        self.full_at = 0

    def catch_up(self, policy: Policy, now: int) -> None:
        self.full_at = max(self.full_at, now)

    def wait(self, hit: Hit, now: int) -> int:
        room = (hit.policy.limit - hit.cost) * hit.policy.interval_us
        return max(0, self.full_at - room - now)

    def take(self, hit: Hit, now: int) -> int:
        self.full_at += hit.cost * hit.policy.interval_us
        return self.full_at

    def give_back(self, hit: Hit, stamp: int, now: int) -> None:
        # Time has given back the rest. Counters drain oldest first: by its stamp a
        # hit has drained, and what is owed now is owed for later ones.
        owed = min(hit.cost * hit.policy.interval_us, max(0, stamp - now))
        self.full_at -= owed

    def quota(self, policy: Policy, now: int) -> tuple[int, int]:
        debt, interval = self.full_at - now, policy.interval_us
        remaining = policy.limit - -(-debt // interval)
        return max(0, remaining), (debt - 1) % interval + 1 if debt else 0


Counter = SlidingLog | Gcra


class MemoryRateLimiter:
    """Counts in this process, forgetting the counters least recently hit.

    A coroutine that never waits is atomic: no lock is needed.
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
        waits = []
        for hit, counter in zip(hits, counters, strict=True):
            counter.catch_up(hit.policy, now)
            waits.append(_wait(counter, hit, now))
        outcomes = []
        for key, hit, counter, wait in zip(keys, hits, counters, waits, strict=True):
            stamp = 0
            if hit.cost and not any(waits):
                stamp = counter.take(hit, now)
                self._keep(key, counter)
            outcomes.append(Outcome(*counter.quota(hit.policy, now), wait, stamp))
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
        """Whoever is refused stays in memory: only counters nobody hits are old."""
        if key in self._counters:
            self._counters.move_to_end(key)
            return self._counters[key]
        return SlidingLog() if hit.policy.algorithm == "log" else Gcra()

    def _keep(self, key: str, counter: Counter) -> None:
        self._counters[key] = counter
        if len(self._counters) > self._max_keys:
            self._counters.popitem(last=False)


def _wait(counter: Counter, hit: Hit, now: int) -> int:
    if hit.cost == 0:
        return 0  # even when the limit was lowered under what is used
    return counter.wait(hit, now) if hit.cost <= hit.policy.limit else NEVER
