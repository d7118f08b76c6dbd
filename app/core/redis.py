"""How this service talks to Redis: soon, or not at all."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

Result = TypeVar("Result")

TICK_SECONDS = 0.01
TICKS = 10


async def in_time(reply: Awaitable[Result]) -> Result:
    """Wait 100 ms for a reply, in ticks that only pass while the event loop turns.

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

    timer = loop.call_later(TICK_SECONDS, tick, TICKS - 1)
    try:
        async with asyncio.timeout(None) as deadline:
            return await reply
    finally:
        timer.cancel()


def create_redis_client(url: str) -> Redis:
    """Make a client that connects at its first command; `aclose()` it at the end."""
    # redis-py's defaults retry for seconds, and fail as soon as a pool is used up.
    # Whoever needs an answer sooner than these timeouts waits `in_time`.
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=50,
        timeout=1,
        socket_timeout=1,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 0),
        # These let a server in maintenance stretch the timeouts to 10 seconds.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    return Redis.from_pool(pool)
