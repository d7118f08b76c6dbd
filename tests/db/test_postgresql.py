"""PostgreSQL ends connections, stops, refuses a password, and returns."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from fastapi import FastAPI
from sqlalchemy import event, make_url, text
from structlog.testing import capture_logs

from app.core.config import Settings
from app.db import migrate
from app.main import create_application
from testbed.accounts import PASSWORD
from testbed.postgres import KILL_OTHERS, PostgresServer, execute, start_postgres
from tests.conftest import make_settings
from tests.support.people import Client, People, open_client

WAITING = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
WRONG = "a wrong password"
ACCOUNT = {"email": "ada@example.org", "password": PASSWORD}


@pytest.fixture
def backend() -> str:
    return "postgresql"


async def test_survives_connections_killed_while_idle(
    app: FastAPI, people: People, database_url: str
) -> None:
    """Mutant: do not check a connection at checkout, so that a request fails on it."""
    engine = app.state.shared.database.reader
    opened: list[Any] = []

    @event.listens_for(engine.sync_engine, "connect")
    def remember(connection: Any, _: Any) -> None:
        opened.append(connection.driver_connection)

    user = await people.sign_in()
    for _ in range(3):
        slow = [user.get("/notes") for _ in range(20)]
        assert {r.status_code for r in await asyncio.gather(*slow)} == {200}
        idle = [each for each in opened if not each.is_closed()]
        pool = engine.pool
        assert len(idle) == pool.checkedin() + pool.checkedout() >= 2
        await execute(database_url, KILL_OTHERS)
        while not all(each.is_closed() for each in idle):
            await asyncio.sleep(0.01)

        answers = [await user.get("/notes") for _ in range(20)]

        assert [answer.status_code for answer in answers] == [200] * 20


async def test_reads_keep_their_connection(app: FastAPI, user: Client) -> None:
    """Mutant: give the connection back to the pool after each statement."""
    checkouts: list[Any] = []
    engine = app.state.shared.database.reader
    event.listen(engine.sync_engine, "checkout", lambda *each: checkouts.append(each))

    for _ in range(20):
        await user.get("/notes")

    assert len(checkouts) < 20


async def test_answers_503_if_postgresql_ends_the_connection(
    app: FastAPI, user: Client, database_url: str
) -> None:
    """Mutant: ignore `connection_invalidated`, which makes the answer a 500."""
    note = {"title": "Groceries"}
    read = app.state.shared.database.read
    blocker = await asyncpg.connect(database_url)
    async with blocker.transaction():
        await blocker.execute("LOCK TABLE notes IN EXCLUSIVE MODE")
        change = asyncio.create_task(user.post("/notes", json=note))
        while not (await read.all(text(WAITING), {}))[0][0]:
            await asyncio.sleep(0.01)
        await execute(database_url, f"{KILL_OTHERS} AND wait_event_type = 'Lock'")
        refused = await change
    await blocker.close()

    assert refused.status_code == 503, refused.text
    assert refused.json()["code"] == "dependency_unavailable"
    assert (await user.post("/notes", json=note)).status_code == 201


async def test_answers_503_if_postgresql_ends_the_connection_of_a_login(
    app: FastAPI, people: People, database_url: str
) -> None:
    """Mutant: do not translate the error of asyncpg, so that the answer is a 500."""
    user = await people.add()
    read = app.state.shared.database.read
    blocker = await asyncpg.connect(database_url)
    async with blocker.transaction():
        await blocker.execute("SELECT FROM users FOR UPDATE")
        login = asyncio.create_task(people.log_in(user))
        while not (await read.all(text(WAITING), {}))[0][0]:
            await asyncio.sleep(0.01)
        await execute(database_url, f"{KILL_OTHERS} AND wait_event_type = 'Lock'")
        with pytest.raises(AssertionError, match="dependency_unavailable"):
            await login
    await blocker.close()

    await people.log_in(user)


async def test_answers_503_to_changes_while_postgresql_is_read_only(
    app: FastAPI, user: Client, database_url: str
) -> None:
    """Mutant: treat this as a fault of the service, so that the answer is a 500."""
    name = make_url(database_url).database
    await execute(
        database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on"
    )
    await execute(database_url, KILL_OTHERS)

    refused = await user.post("/notes", json={"title": "Groceries"})

    assert refused.status_code == 503, refused.text
    assert (await user.get("/notes")).status_code == 200


@pytest.mark.parametrize("overrides", [{"db_pool_timeout_seconds": 0.1}])
async def test_answers_503_if_no_connection_becomes_free(
    app: FastAPI, user: Client
) -> None:
    engine = app.state.shared.database.reader
    app.state.shared.database.read.direct.close()
    connections = [await engine.connect() for _ in range(engine.pool.size())]

    response = await user.get("/notes")

    assert response.status_code == 503
    assert response.json()["code"] == "overloaded"
    assert int(response.headers["retry-after"]) >= 1
    ready = await user.get("/health/ready")  # a busy database is healthy
    assert ready.json()["checks"]["database"] == "healthy"
    for connection in connections:
        await connection.close()
    assert (await user.get("/notes")).status_code == 200


class TestLoggedReason:
    """Mutants: log only the service's own error type; do not log expected 5xx."""

    @pytest.fixture
    def settings(self, postgres_url: str) -> Settings:
        url = make_url(postgres_url).set(password=WRONG)
        return make_settings(database_url=url.render_as_string(hide_password=False))

    async def test_says_why_the_database_is_unavailable(
        self, settings: Settings
    ) -> None:
        app = create_application(settings)
        with capture_logs() as logs:
            async with app.router.lifespan_context(app), open_client(app) as client:
                refused = await client.post("/auth/login", json=ACCOUNT)

        assert refused.status_code == 503
        assert "password" not in refused.text
        reason = {
            "reason": "InvalidPasswordError",
            "message": 'password authentication failed for user "app"',
            "sqlstate": "28P01",
        }
        unhealthy = [line for line in logs if line["event"] == "dependency.unhealthy"]
        assert unhealthy == [
            {
                "event": "dependency.unhealthy",
                "log_level": "error",
                "dependency": name,
                **reason,
            }
            for name in ("database", "schema")
        ]
        [failed] = [line for line in logs if line["event"] == "http.failed"]
        assert failed == {
            "event": "http.failed",
            "log_level": "warning",
            "status_code": 503,
            "code": "dependency_unavailable",
            **reason,
        }
        assert WRONG not in str(logs)

    async def test_says_that_the_server_does_not_answer(self) -> None:
        """Mutant: log the innermost cause, which is only that a task was cancelled."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"postgresql://app:{WRONG}@127.0.0.1:{silent.getsockname()[1]}/app"
            settings = make_settings(database_url=url, db_connect_timeout_seconds=0.5)
            app = create_application(settings)
            with capture_logs() as logs:
                async with app.router.lifespan_context(app), open_client(app) as client:
                    await client.post("/auth/login", json=ACCOUNT)

        reasons = {(line["event"], line.get("reason")) for line in logs}
        assert ("http.failed", "TimeoutError") in reasons
        assert ("dependency.unhealthy", "TimeoutError") in reasons
        assert "CancelledError" not in str(reasons)


class TestServerRestart:
    @pytest.fixture
    def postgres(self, tmp_path: Path) -> Iterator[PostgresServer]:
        with start_postgres(tmp_path) as server:
            yield server

    @pytest.fixture
    def settings(self, postgres: PostgresServer) -> Settings:
        return make_settings(database_url=postgres.url, health_probe_seconds=0.05)

    async def test_starts_without_the_database_and_recovers(
        self, postgres: PostgresServer, settings: Settings
    ) -> None:
        """Mutant: connect during startup, which ends the process."""
        await migrate.upgrade(settings)
        token = await log_in(settings)
        postgres.stop()
        app = create_application(settings)
        async with app.router.lifespan_context(app), open_client(app) as client:
            client.headers["Authorization"] = token
            for restart in range(2):
                assert (await client.get("/health/live")).status_code == 200
                await until_down(client)
                refused = await client.get("/users/me")
                assert refused.status_code == 503
                assert refused.json()["code"] == "dependency_unavailable"
                assert "127.0.0.1" not in refused.text

                postgres.start()
                await until_ready(client, 200)
                answers = [await client.get("/users/me") for _ in range(20)]
                assert {answer.status_code for answer in answers} == {200}

                if restart == 0:
                    postgres.stop("immediate")

    async def test_waits_for_the_primary_after_a_failover(
        self, postgres: PostgresServer, settings: Settings
    ) -> None:
        """The host name can still lead to the server that is now a standby.

        Mutant: use a standby, so that changes get a 500, and ended sessions are valid.
        """
        await migrate.upgrade(settings)
        token = await log_in(settings)
        app = create_application(settings)
        async with app.router.lifespan_context(app), open_client(app) as client:
            client.headers["Authorization"] = token
            postgres.stop()
            (postgres.data / "standby.signal").touch()
            postgres.start()
            refused = [
                await client.get("/users/me"),
                await client.post("/auth/login", json=ACCOUNT),
            ]
            assert [answer.status_code for answer in refused] == [503] * 2
            await until_ready(client, 503)

            await execute(postgres.url, "SELECT pg_promote()")
            await until_ready(client, 200)
            assert (await client.get("/users/me")).status_code == 200


async def log_in(settings: Settings) -> str:
    """Return the header that authenticates a user of this database."""
    app = create_application(settings)
    async with app.router.lifespan_context(app), AsyncExitStack() as stack:
        return (await People(app, stack).sign_in()).headers["Authorization"]


async def until_down(client: Client) -> None:
    """Wait until both probes of the database have failed."""
    checks = {"database": "unhealthy", "redis": "disabled", "schema": "unhealthy"}
    await until_ready(client, 503)
    async with asyncio.timeout(60):
        while (down := await client.get("/health/ready")).json()["checks"] != checks:
            await asyncio.sleep(0.02)
    assert (down.status_code, down.json()["status"]) == (503, "unavailable")


async def until_ready(client: Client, status: int) -> None:
    async with asyncio.timeout(60):
        while (await client.get("/health/ready")).status_code != status:
            await asyncio.sleep(0.02)
