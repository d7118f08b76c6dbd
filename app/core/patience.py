"""How long to wait for an answer when this process may be the slow one."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Result = TypeVar("Result")

TICK_SECONDS = 0.01


async def in_time(reply: Awaitable[Result], seconds: float) -> Result:
    """Wait for a reply, in ticks that only pass while the event loop turns.

    A burst of requests can keep the loop busy for longer than that; the replies that
    lie unread meanwhile are not late.

    Raises:
        TimeoutError: there was none.
    """
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def tick(left: int) -> None:
        nonlocal timer
        if left:
            timer = loop.call_later(TICK_SECONDS, tick, left - 1)
        else:
            deadline.reschedule(loop.time())

    timer = loop.call_later(TICK_SECONDS, tick, round(seconds / TICK_SECONDS) - 1)
    try:
        async with asyncio.timeout(None) as deadline:
            return await reply
    finally:
        timer.cancel()
