"""The Redis client of this service. It fails at once instead of retrying."""

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig


def create_redis_client(url: str) -> Redis:
    """Make a client that connects at its first command. Close it with `aclose()`.

    The client sets no timeout for a reply or for one of its 50 connections. The caller
    sets one for both, because a timeout for each costs more.
    """
    # By default redis-py retries for seconds, and fails when the pool is used up.
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=50,
        timeout=None,
        socket_timeout=None,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 0),
        # A server in maintenance could stretch the timeouts to 10 seconds.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    return Redis.from_pool(pool)
