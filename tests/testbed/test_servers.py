"""The servers that the other tests use."""

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import asyncpg
import pytest
from redis import Redis
from redis.exceptions import ConnectionError, TimeoutError

from testbed.postgres import PostgresServer, start_postgres
from testbed.processes import ServerFailed
from testbed.valkey import ValkeyServer, start_valkey

ORPHAN = """
import os, signal, sys
from pathlib import Path
from testbed.valkey import start_valkey

with start_valkey(Path(sys.argv[1])) as server:
    print(server.process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    directory = tmp_path_factory.mktemp("postgres")
    with start_postgres(directory, options={"max_connections": "20"}) as server:
        yield server


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    with start_valkey(tmp_path) as server:
        yield server


@pytest.fixture
def redis(valkey: ValkeyServer) -> Iterator[Redis]:
    with Redis.from_url(valkey.url, socket_timeout=60) as client:
        yield client


async def fetch_value(postgres: PostgresServer, query: str) -> object:
    connection = await asyncpg.connect(postgres.url)
    try:
        return cast(object, await connection.fetchval(query))
    finally:
        await connection.close()


class TestPostgres:
    async def test_uses_utf_8_whatever_the_locale_of_the_machine(
        self, postgres: PostgresServer
    ) -> None:
        assert await fetch_value(postgres, "SELECT lower('ÀÉ')") == "àé"

    async def test_lets_options_override_its_defaults(
        self, postgres: PostgresServer
    ) -> None:
        assert await fetch_value(postgres, "SHOW max_connections") == "20"
        assert await fetch_value(postgres, "SHOW fsync") == "off"

    async def test_keeps_its_address_and_data_after_a_crash(
        self, postgres: PostgresServer
    ) -> None:
        url = postgres.url
        await fetch_value(postgres, "CREATE TABLE kept ()")

        postgres.stop("immediate")
        with pytest.raises(ConnectionRefusedError):
            await fetch_value(postgres, "SELECT 1")
        postgres.start()

        assert postgres.url == url
        assert await fetch_value(postgres, "SELECT count(*) FROM kept") == 0

    def test_a_failure_shows_the_log(self, tmp_path: Path) -> None:
        with (
            pytest.raises(ServerFailed, match='parameter "nonsense"'),
            start_postgres(tmp_path, options={"nonsense": "on"}),
        ):
            pass


class TestValkey:
    def test_keeps_connections_and_data_during_a_pause(
        self, valkey: ValkeyServer, redis: Redis
    ) -> None:
        redis.set("key", "value")

        valkey.pause()
        impatient = Redis.from_url(valkey.url, socket_timeout=0.2)
        with impatient, pytest.raises(TimeoutError):
            impatient.get("key")
        valkey.resume()

        assert redis.get("key") == b"value"

    def test_keeps_only_its_address_after_a_restart(
        self, valkey: ValkeyServer, redis: Redis
    ) -> None:
        redis.set("key", "value")

        valkey.stop()
        with pytest.raises(ConnectionError):
            redis.get("key")
        valkey.start()

        assert redis.get("key") is None

    def test_takes_another_port_if_its_own_is_in_use(self, tmp_path: Path) -> None:
        server = ValkeyServer(tmp_path)
        with socket.create_server(("127.0.0.1", server.port)) as thief:
            server.start_on_a_free_port()
            server.stop()

            assert server.port != thief.getsockname()[1]

    @pytest.mark.skipif(
        sys.platform != "linux", reason="only Linux can kill a child with its parent"
    )
    def test_ends_when_its_parent_is_killed(self, tmp_path: Path) -> None:
        orphan = subprocess.run(
            [sys.executable, "-c", ORPHAN, str(tmp_path)],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            check=False,
        )

        assert orphan.returncode == -signal.SIGKILL
        with suppress(ProcessLookupError):
            ended = os.pidfd_open(int(orphan.stdout))
            assert select.select([ended], [], [], 60)[0]
            os.close(ended)
