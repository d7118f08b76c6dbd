"""One timer for many replies that must arrive in time."""

import asyncio
from collections.abc import Awaitable
from itertools import takewhile
from typing import TypeVar

Result = TypeVar("Result")

TICKS = 10


class ReplyTimeout:
    """Gives up on a reply after `seconds`.

    All replies share one timer, because a timer for each reply would cost more than the
    wait for the reply. The timer counts ticks and does not read the clock. Therefore a
    reply that arrives while the event loop is blocked is still in time.
    """

    def __init__(self, seconds: float) -> None:
        self._tick_seconds = seconds / TICKS
        self._tick = 0
        self._ends: dict[asyncio.Timeout, int] = {}  # the earliest first
        self._loop: asyncio.AbstractEventLoop | None = None  # None if no timer runs

    async def wait(self, reply: Awaitable[Result]) -> Result:
        """Wait for a reply. Raises `TimeoutError`."""
        async with asyncio.timeout(None) as timeout:
            self._start(timeout)
            try:
                return await reply
            finally:
                self._ends.pop(timeout, None)

    def _start(self, timeout: asyncio.Timeout) -> None:
        # One tick more, because part of the current tick has passed.
        self._ends[timeout] = self._tick + TICKS + 1
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            loop.call_later(self._tick_seconds, self._advance, loop)

    def _advance(self, loop: asyncio.AbstractEventLoop) -> None:
        self._tick += 1
        ends = self._ends.items()
        for timeout, _ in list(takewhile(lambda item: item[1] <= self._tick, ends)):
            del self._ends[timeout]
            timeout.reschedule(loop.time())
        if self._ends:
            loop.call_later(self._tick_seconds, self._advance, loop)
        else:
            self._loop = None
