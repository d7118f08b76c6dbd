"""How this service talks to Redis: soon, or not at all."""

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig


def create_redis_client(url: str) -> Redis:
    """Make a client that connects at its first command; `aclose()` it at the end.

    It neither limits how long a command takes nor waits for a connection, of which
    there are 50: its callers do, fewer at once. Both would cost as much as the command.
    """
    # redis-py's defaults retry for seconds.
    pool = ConnectionPool.from_url(
        url,
        max_connections=50,
        socket_timeout=None,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 0),
        # These let a server in maintenance stretch the timeouts to 10 seconds.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    return Redis.from_pool(pool)
