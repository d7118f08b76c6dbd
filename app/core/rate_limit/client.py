"""The Redis client of this service. It fails at once instead of retrying."""

from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

# Less than `REPLY_SECONDS` of `resilient`, so that there is time to ask another
# Sentinel.
SENTINEL_SECONDS = 0.03


def create_redis_client(url: str) -> Redis:
    """Make a client that connects at its first command. Close it with `aclose()`.

    The client has no timeout for a reply, and none for the wait until one of its 50
    connections is free. The caller sets one timeout for both waits, because two
    timeouts would cost more.
    """
    # By default redis-py retries for seconds, and fails when no connection is free.
    options: dict[str, Any] = {
        "max_connections": 50,
        "socket_timeout": None,
        "socket_connect_timeout": 1,
        "retry": Retry(NoBackoff(), 0),
        # Otherwise a server in maintenance could extend the timeouts to 10 seconds.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    if "+sentinel://" in url:
        return Redis.from_pool(_sentinel_pool(url, options))
    return Redis.from_pool(
        BlockingConnectionPool.from_url(url, timeout=None, **options)
    )


class _SentinelPool(SentinelConnectionPool):
    async def aclose(self) -> None:
        await super().aclose()
        await self.sentinel_manager.aclose()


def _sentinel_pool(url: str, options: dict[str, Any]) -> SentinelConnectionPool:
    """Read `redis+sentinel://:password@host:26379,host2:26379/service/0`.

    Each new connection asks a Sentinel for the primary of the service.
    """
    parts = urlsplit(url)
    credentials, at, hosts = parts.netloc.rpartition("@")
    service, _, database = parts.path.strip("/").partition("/")
    plain = parts._replace(
        scheme=parts.scheme.removesuffix("+sentinel"),
        netloc=f"{credentials}{at}primary",
        path=f"/{database}",
    )
    options |= parse_url(plain.geturl())
    del options["host"]
    options["ssl"] = options.pop("connection_class", None) is SSLConnection
    of_sentinel = {
        **{name: value for name, value in options.items() if name.startswith("ssl")},
        "password": options.pop("sentinel_password", None),
        "socket_timeout": SENTINEL_SECONDS,
        "socket_connect_timeout": SENTINEL_SECONDS,
        "retry": options["retry"],
        "maint_notifications_config": options["maint_notifications_config"],
    }
    nodes = [urlsplit(f"//{host}") for host in hosts.split(",")]
    addresses = [(node.hostname, node.port or 26379) for node in nodes]
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        addresses, sentinel_kwargs=of_sentinel
    )
    return _SentinelPool(service, sentinel, **options)  # type: ignore[no-untyped-call]
