"""Redis, which counts the rate limits of all workers together."""

import asyncio
from collections.abc import AsyncIterator
from time import perf_counter

from app.cli.checks import Finding, judge, refused
from app.core.config import Settings
from app.db.base import utc_now

PAGE = "docs/limits.md#redis"
TIMEOUT_SECONDS = 3
SLOW_MS = 50
SKEW_SECONDS = 2


async def check(settings: Settings) -> AsyncIterator[Finding]:
    if not settings.redis_url:
        return  # the check of the settings warns of it
    from app.core.rate_limit.client import create_redis_client

    client = create_redis_client(settings.redis_url)
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await client.ping()  # connects
            began = perf_counter()
            seconds, _ = await client.time()
            milliseconds = (perf_counter() - began) * 1000
            info = await client.info("memory")
            cluster = await client.info("cluster")
    except Exception as error:  # each error means that Redis does not answer
        fix = "Start Redis, and check REDIS_URL. Until then each worker counts alone."
        yield refused("redis.connection", error, fix, PAGE)
        return
    finally:
        await client.aclose()
    yield judge(
        "redis.connection",
        ok=milliseconds <= SLOW_MS,
        value=f"answered after {milliseconds:.0f} ms",
        fix="Move Redis closer: each limited request waits for it.",
        link=PAGE,
    )
    yield judge(
        "redis.cluster",
        ok=not cluster.get("cluster_enabled"),
        value="in cluster mode" if cluster.get("cluster_enabled") else "a single node",
        fix="Use a node without cluster mode: each worker counts alone with a cluster.",
        link=PAGE,
    )
    skew = abs(seconds - utc_now().timestamp())
    yield judge(
        "redis.clock",
        ok=skew <= SKEW_SECONDS,
        value=f"differs by {skew:.0f} s from this machine",
        fix="Synchronise the clocks by NTP.",
        link=PAGE,
    )
    policy = info.get("maxmemory_policy", "unknown")
    yield judge(
        "redis.eviction",
        ok=policy == "noeviction" or not info.get("maxmemory"),
        value=f"maxmemory-policy is {policy}",
        fix="Set noeviction: otherwise Redis deletes counters when memory is full.",
        link=PAGE,
    )
