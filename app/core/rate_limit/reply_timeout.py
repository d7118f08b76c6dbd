"""Timeouts by the hundred, most of which never end anything."""

import asyncio
from collections.abc import Awaitable
from itertools import takewhile
from typing import TypeVar

Result = TypeVar("Result")

TICKS = 10


class Countdown:
    """Ends what takes longer than `seconds`, by one timer for all.

    A timer each would cost more than what it guards. The time passes in ticks, of
    which a busy event loop skips none: a burst of requests does not make those late
    whose replies lie unread meanwhile.
    """

    def __init__(self, seconds: float) -> None:
        self._tick_seconds = seconds / TICKS
        self._tick = 0
        self._ends: dict[asyncio.Timeout, int] = {}  # the earliest first
        self._loop: asyncio.AbstractEventLoop | None = None  # while it ticks

    async def wait(self, reply: Awaitable[Result]) -> Result:
        """Wait for a reply.

        Raises:
            TimeoutError: there was none in time.
        """
        async with asyncio.timeout(None) as timeout:
            self.start(timeout)
            try:
                return await reply
            finally:
                self.stop(timeout)

    def start(self, timeout: asyncio.Timeout) -> None:
        """Begin to count, or begin anew."""
        self.stop(timeout)
        self._ends[timeout] = self._tick + TICKS + 1  # part of this tick has passed
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            loop.call_later(self._tick_seconds, self._advance, loop)

    def stop(self, timeout: asyncio.Timeout) -> None:
        self._ends.pop(timeout, None)

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
