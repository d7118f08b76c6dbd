"""PostgreSQL ends statements that wait or run too long, and reads go on meanwhile."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from structlog.testing import capture_logs

from app.core.config import Settings
from app.core.errors import Overloaded
from app.db import migrate
from app.db.postgresql import driver_of
from app.db.session import transaction
from tests.support.people import Client
from tests.support.timeouts import SHORT, WAITS, holding, set_timeouts, until


@pytest.fixture
def backend() -> str:
    return "postgresql"


@pytest.fixture
async def database_url(postgres_database_url: str) -> str:
    await set_timeouts(postgres_database_url)
    return postgres_database_url


@pytest.fixture(params=["none", "pgbouncer"])
def overrides(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {**SHORT, "db_pooler": request.param}


@pytest.mark.usefixtures("without_notes")
class TestMigrations:
    async def test_wait_for_each_other_without_a_timeout(
        self, settings: Settings, database_url: str
    ) -> None:
        """Mutants: keep timeouts on the connection of the lock; set them at BEGIN."""
        lock = f"SELECT pg_advisory_xact_lock({migrate.ADVISORY_LOCK})"
        async with holding(database_url, lock):
            upgrade = asyncio.create_task(migrate.upgrade(settings))
            await until(database_url, WAITS, upgrade)

        await upgrade

    async def test_do_not_block_readers_while_they_wait(
        self, settings: Settings, database_url: str
    ) -> None:
        """Mutants: wait for a table without a timeout; give up after one timeout."""
        waits = WAITS.replace("2s", "0s")
        async with holding(database_url, "LOCK TABLE users IN ACCESS SHARE MODE"):
            downgrade = asyncio.create_task(migrate.downgrade(settings, "base"))
            await until(database_url, waits, downgrade)
            async with (
                asyncio.timeout(30),
                holding(database_url, "SELECT FROM users"),
            ):
                assert not downgrade.done()

        await downgrade


class TestReads:
    @pytest.fixture(params=["none", "pgbouncer"])
    def overrides(self, request: pytest.FixtureRequest) -> dict[str, Any]:
        return {"db_pooler": request.param}

    async def test_go_on_while_all_changes_wait_for_a_lock(
        self, app: FastAPI, user: Client, database_url: str
    ) -> None:
        """Mutant: use one pool for reads and changes."""
        note = (await user.post("/notes", json={"title": "Groceries"})).json()
        url = f"/notes/{note['id']}"
        row = f"SELECT FROM notes WHERE id = '{note['id']}' FOR UPDATE"
        writers = app.state.shared.database.writer.pool.size()
        async with holding(database_url, row):
            likes = [
                asyncio.create_task(user.post(f"{url}/likes", json={"delta": 1}))
                for _ in range(4 * writers)
            ]
            blocked = f"SELECT count(*) = {writers} FROM pg_locks WHERE NOT granted"
            await until(database_url, blocked, likes[-1])

            reads = [await user.get(path) for path in ("/users/me", "/notes", url)]

            assert not any(like.done() for like in likes)
        answers = await asyncio.gather(*likes)

        assert [read.status_code for read in reads] == [200] * 3
        assert {answer.status_code for answer in answers} == {200}


class TestRequests:
    @pytest.fixture
    async def database_url(self, postgres_database_url: str) -> str:
        """A database without timeouts of its own."""
        return postgres_database_url

    async def test_on_a_locked_row_get_503_with_retry_after(
        self, user: Client, database_url: str
    ) -> None:
        note = (await user.post("/notes", json={"title": "Groceries"})).json()
        row = f"SELECT FROM notes WHERE id = '{note['id']}' FOR UPDATE"
        once = {"Idempotency-Key": "once"}
        with capture_logs() as logs:
            async with holding(database_url, row):
                refused = await user.post(
                    f"/notes/{note['id']}/likes", json={"delta": 1}, headers=once
                )

        assert refused.status_code == 503, refused.text
        assert refused.json()["code"] == "overloaded"
        assert int(refused.headers["retry-after"]) >= 1
        [failed] = [line for line in logs if line["event"] == "http.failed"]
        assert failed["sqlstate"] in {"55P03", "57014"}

    @pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "57014"])
    async def test_get_503_for_errors_that_a_retry_can_solve(
        self, app: FastAPI, state: str
    ) -> None:
        """Mutant: forget one of these SQLSTATEs."""
        database = app.state.shared.database
        fail = text(f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$")

        with pytest.raises(Overloaded):
            await database.read.all(fail, {})
        with pytest.raises(Overloaded):
            async with transaction(database) as session:
                await session.execute(fail)
        with pytest.raises(Overloaded):
            async with (
                database.read.connect() as connection,
                driver_of(connection) as driver,
            ):
                await driver.execute(str(fail))
