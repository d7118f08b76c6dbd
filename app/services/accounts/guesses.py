"""Counts wrong guesses, such as wrong passwords, and refuses guesses over a limit."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from app.core.errors import Overloaded, TooManyRequests
from app.core.rate_limit.policy import LARGEST_LIMIT, Decision, Hit, RateLimiter
from app.services.accounts.in_flight import InFlight

T = TypeVar("T")


class TooManyFailures(TooManyRequests):
    """The caller sent too many requests.

    `Retry-After` says how long to wait. This header is absent if waiting does not help.
    """

    keeps_changes = True  # commit the audit event, although the request is refused

    def __init__(self, retry_after: float | None, shown: str) -> None:
        # All limits use the same text, so that it does not show which counter is full.
        super().__init__(retry_after, [shown])


class Guesses:
    """Limits wrong guesses, also if many arrive at the same time.

    A failure is counted before the guess is checked, so that parallel guesses cannot
    exceed the limit. The failure is removed again if the guess was right or was never
    checked, even when the client disconnects.
    """

    def __init__(self, limiter: RateLimiter, shown: str) -> None:
        self.limiter = limiter
        self.shown = shown  # clients see only this name, for all these limits
        self.comparing = InFlight()
        self._unfinished: set[asyncio.Task[Any]] = set()

    async def check(
        self,
        hits: Sequence[Hit],
        compare: Callable[[], Awaitable[T]],
        is_right: Callable[[T], bool] = bool,
    ) -> T:
        """Return the result of `compare`. Count the hits unless `is_right(result)`.

        Raises:
            TooManyFailures: A counter is full. The guess was not checked.
        """
        reserved = await self._reserve(hits)
        self.comparing.begin([hit.key for hit in hits])
        wrong = False
        try:
            result = await compare()
            wrong = not is_right(result)
            return result
        finally:
            await asyncio.shield(self._start(self._settle(hits, reserved, wrong=wrong)))

    async def _settle(
        self, hits: Sequence[Hit], reserved: Decision, wrong: bool
    ) -> None:
        try:
            if wrong:
                await self.limiter.hit(*map(seen, hits))
            else:
                await self.limiter.refund(reserved)
        finally:
            self.comparing.end([hit.key for hit in hits], gave_back=not wrong)

    async def _reserve(self, hits: Sequence[Hit]) -> Decision:
        """Count a failure before the guess is checked.

        If pending attempts fill the counter, wait until they end, because many people
        in one office can log in at the same time, all with the right password.
        """
        while not (reserved := await self._count(hits)).allowed:
            full = [hit.key for hit in hits if hit.policy.name in reserved.violated]
            if not await self.comparing.wait(full):
                if await self._seen_to_be_full(hits, reserved):
                    raise TooManyFailures(reserved.retry_after, self.shown)
                # Pending attempts of another process fill the counter. They may be
                # right, so send a 503 instead of a 429.
                raise Overloaded
        return reserved

    async def _count(self, hits: Sequence[Hit]) -> Decision:
        """Count a failure. Remove it again if the client disconnects meanwhile."""
        counting = self._start(self.limiter.hit(*hits))
        try:
            return await asyncio.shield(counting)
        except asyncio.CancelledError:
            self._start(self._give_back(counting))
            raise

    async def _give_back(self, counting: asyncio.Task[Decision]) -> None:
        await self.limiter.refund(await counting)

    async def _seen_to_be_full(self, hits: Sequence[Hit], refused: Decision) -> bool:
        """Say whether guesses that were found to be wrong are enough to fill a counter.

        These guesses are counted across all processes.
        """
        full = [
            (hit, quota.policy.limit)
            for hit, quota in zip(hits, refused.quotas, strict=True)
            if hit.policy.name in refused.violated
        ]
        counted = await self.limiter.hit(*(seen(hit, cost=0) for hit, _ in full))
        return any(
            quota.policy.limit - quota.remaining >= limit
            for quota, (_, limit) in zip(counted.quotas, full, strict=True)
        )

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task that continues if the client disconnects."""
        task = asyncio.create_task(work)
        self._unfinished.add(task)  # the event loop keeps only a weak reference
        task.add_done_callback(self._unfinished.discard)
        return task


def seen(hit: Hit, cost: int = 1) -> Hit:
    """Make a hit for a second counter, which counts only guesses found to be wrong.

    The first counter also contains attempts that are still running, so its count can be
    higher.
    """
    policy = replace(hit.policy, name=f"{hit.policy.name}-seen", limit=LARGEST_LIMIT)
    return Hit(policy, hit.partition, cost)
