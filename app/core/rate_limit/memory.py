"""The limiter of one process: the algorithm of `hit.lua`, in Python."""

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
    """The time of each hit, oldest first. A hit expires one window after its time."""

    def __init__(self) -> None:
        self.stamps: deque[int] = deque()

    def judge(self, hit: Hit, now: int) -> Outcome:
        """Say whether the hit fits, and if not, when it will."""
        self._expire(hit.policy, now)
        excess = len(self.stamps) + hit.cost - hit.policy.limit
        if hit.cost > hit.policy.limit:
            wait = NEVER
        elif hit.cost and excess > 0:
            wait = self.stamps[excess - 1] + hit.policy.window_us - now
        else:
            wait = 0
        return self.outcome(hit.policy, now, wait)

    def outcome(self, policy: Policy, now: int, wait: int = 0) -> Outcome:
        reset = self.stamps[0] + policy.window_us - now if self.stamps else 0
        return Outcome(max(0, policy.limit - len(self.stamps)), reset, wait, stamp=now)

    def add(self, hit: Hit, now: int) -> None:
        self._expire(hit.policy, now)
        self.stamps.extend([now] * hit.cost)

    def remove(self, hit: Hit, stamp: int) -> None:
        with suppress(ValueError):  # the hit has expired
            for _ in range(hit.cost):
                self.stamps.remove(stamp)

    def _expire(self, policy: Policy, now: int) -> None:
        while self.stamps and self.stamps[0] + policy.window_us <= now:
            self.stamps.popleft()


class MemoryRateLimiter:
    """Counts in this process, and forgets the counters that were used longest ago.

    No method awaits anything, so each one is atomic without a lock.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, max_keys: int = 50_000
    ) -> None:
        self._clock = clock
        self._max_keys = max_keys
        self._logs: OrderedDict[str, SlidingLog] = OrderedDict()

    async def hit(self, *hits: Hit) -> Decision:
        now = self._now()
        distinct_keys(hits)
        counted = [(self._find(hit), hit) for hit in hits]
        outcomes = [log.judge(hit, now) for log, hit in counted]
        if not any(outcome.wait for outcome in outcomes):
            outcomes = [self._take(log, hit, now) for log, hit in counted]
        return decide(hits, outcomes)

    def record(self, *hits: Hit) -> Receipt:
        """Count hits that Redis has allowed, whether they fit here or not."""
        now = self._now()
        for hit in hits:
            self._add(self._find(hit), hit, now)
        return Receipt([(hit, now) for hit in hits])

    async def refund(self, decision: Decision) -> None:
        self.give_back(decision.receipt)

    def give_back(self, receipt: Receipt) -> None:
        for hit, stamp in receipt.spend():
            if (log := self._logs.get(hit.key)) is not None:
                log.remove(hit, stamp)

    async def reset(self, policy: Policy, partition: str) -> None:
        self._logs.pop(counter_key(policy, partition), None)

    def _now(self) -> int:
        return round(self._clock() * MICROSECONDS)

    def _find(self, hit: Hit) -> SlidingLog:
        """Find a counter, and mark it as used, so that a refused caller keeps it."""
        log = self._logs.get(hit.key)
        if log is None:
            return SlidingLog()
        self._logs.move_to_end(hit.key)
        return log

    def _take(self, log: SlidingLog, hit: Hit, now: int) -> Outcome:
        self._add(log, hit, now)
        return log.outcome(hit.policy, now)

    def _add(self, log: SlidingLog, hit: Hit, now: int) -> None:
        if not hit.cost:
            return
        self._logs[hit.key] = log
        if len(self._logs) > self._max_keys:
            self._logs.popitem(last=False)
        log.add(hit, now)
