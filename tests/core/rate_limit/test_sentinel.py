"""Sentinel: the limits follow the primary, and go on while there is none."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from testbed.processes import free_port
from testbed.valkey import ValkeyServer, start_valkey
from tests.support.people import Client


@dataclass
class Replicated:
    """A primary, its replica, and the Sentinel that promotes the replica."""

    primary: ValkeyServer
    replica: ValkeyServer
    sentinel: ValkeyServer

    @property
    def url(self) -> str:
        """The client asks the first Sentinel first, which does not run."""
        sentinel = self.sentinel
        hosts = f"127.0.0.1:{free_port()},127.0.0.1:{sentinel.port}"
        return (
            f"redis+sentinel://:{self.primary.password}@{hosts}/main/0"
            f"?sentinel_password={sentinel.password}"
        )


@pytest.fixture
def replicated(tmp_path: Path) -> Iterator[Replicated]:
    directories = [tmp_path / name for name in ("primary", "replica", "sentinel")]
    for directory in directories:
        directory.mkdir()
    with ExitStack() as stack:
        start = stack.enter_context
        primary = start(start_valkey(directories[0]))
        replica = start(
            start_valkey(
                directories[1],
                f"replicaof 127.0.0.1 {primary.port}",
                f"primaryauth {primary.password}",
                "repl-diskless-sync-delay 0",
                password=primary.password,
            )
        )
        sentinel = start(
            start_valkey(
                directories[2],
                f"sentinel monitor main 127.0.0.1 {primary.port} 1",
                f"sentinel auth-pass main {primary.password}",
                "sentinel down-after-milliseconds main 1000",
                "sentinel failover-timeout main 2000",
                arguments=["--sentinel"],
            )
        )
        yield Replicated(primary, replica, sentinel)


@pytest.fixture
async def redis_url(replicated: Replicated, monkeypatch: pytest.MonkeyPatch) -> str:
    """Wait until Sentinel knows the replica, which is when it can promote it."""
    monkeypatch.setattr("app.core.rate_limit.resilient.PAUSE_SECONDS", 0.0)
    async with Redis.from_url(replicated.sentinel.url) as sentinel:
        async with asyncio.timeout(60):
            while not await knows_a_replica(sentinel):
                await asyncio.sleep(0.02)
    return replicated.url


async def knows_a_replica(sentinel: Redis) -> bool:
    replicas = await sentinel.sentinel_slaves("main")
    return any(each["master-link-status"] == "ok" for each in replicas)


@pytest.mark.parametrize("backend", ["postgresql"])
@pytest.mark.parametrize("overrides", [{"rate_limit_requests": 3}])
async def test_limits_hold_during_and_after_a_failover(
    client: Client, replicated: Replicated
) -> None:
    """Mutant: a client that asks Sentinel only once, and then keeps the address."""
    allowed = [await ask(client) for _ in range(3)]
    replicated.primary.stop()

    answers = {await ask(client)}
    async with (
        asyncio.timeout(60),
        Redis.from_url(replicated.sentinel.url) as sentinel,
        Redis.from_url(replicated.replica.url) as promoted,
    ):
        while await primary_port(sentinel) != replicated.replica.port:
            answers.add(await ask(client))
        # The replica got the hits of the primary, but no script has run on it.
        while "cmdstat_evalsha" not in await promoted.info("commandstats"):
            answers.add(await ask(client))

    assert (allowed, answers) == ([422] * 3, {429})


async def primary_port(sentinel: Redis) -> int:
    state: Any = await sentinel.sentinel_master("main")
    return int(state["port"])


async def ask(client: Client) -> int:
    return (await client.post("/auth/refresh", json={})).status_code
