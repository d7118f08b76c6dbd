"""How this service talks to Redis: soon, or not at all."""

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig


def create_redis_client(url: str) -> Redis:
    """Make a client that connects at its first command; `aclose()` it at the end.

    A command takes as long as Redis does, and waits as long for one of 50 connections:
    its caller says how long that may be, once for both, which is what costs least.
    """
    # redis-py's defaults retry for seconds, and fail as soon as a pool is used up.
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=50,
        timeout=None,
        socket_timeout=None,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 0),
        # These let a server in maintenance stretch the timeouts to 10 seconds.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    return Redis.from_pool(pool)
