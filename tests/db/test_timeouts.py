"""The timeouts that the documentation recommends for the role, set on a database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from fastapi import FastAPI
from sqlalchemy import make_url, text
from structlog.testing import capture_logs

from app.core.config import Settings
from app.core.errors import Overloaded
from app.db import migrate
from app.db.postgresql import driver_of
from app.db.session import transaction
from app.services.products.files.staging import WAIT_FOR_OTHERS
from testbed.postgres import execute
from tests.api.products.files import EXPORT, NDJSON, rows
from tests.support.download import Download
from tests.support.people import Client

TIMEOUTS = ("statement", "lock", "idle_in_transaction_session")
LIFTED = {f"{name}_timeout": "0" for name in TIMEOUTS}
MUG = {"sku": "MUG-1", "name": "Blue mug", "price": "12.50", "currency": "EUR"}
ROW = b'{"sku": "ROW-%d", "name": "Row", "price": "1", "currency": "EUR"}\n'
# Twice as long as the timeouts allow.
WAITS = """
    SELECT count(*) FROM pg_locks
    WHERE NOT granted AND waitstart < now() - interval '2s'
"""
# Or was ended by then.
WAS_IDLE = """
    SELECT NOT EXISTS (
        SELECT FROM pg_stat_activity WHERE datname = current_database()
        AND state = 'idle in transaction' AND state_change > now() - interval '2s'
    )
"""


@pytest.fixture
def backend() -> str:
    return "postgresql"


@pytest.fixture
def database_url(postgres_database_url: str) -> str:
    name = make_url(postgres_database_url).database
    for timeout in TIMEOUTS:
        change = f"ALTER DATABASE {name} SET {timeout}_timeout = '1s'"
        asyncio.run(execute(postgres_database_url, change))
    return postgres_database_url


@asynccontextmanager
async def holding(url: str, statement: str) -> AsyncIterator[asyncpg.Connection]:
    """Keep the locks of a statement until the block ends."""
    connection = await asyncpg.connect(url, server_settings=LIFTED)
    try:
        async with connection.transaction():
            await connection.execute(statement)
            yield connection
    finally:
        await connection.close()


async def until(url: str, question: str, ended: asyncio.Future[Any]) -> None:
    """Return when the answer is more than none."""
    connection = await asyncpg.connect(url, server_settings=LIFTED)
    try:
        while not await connection.fetchval(question):
            assert not ended.done(), ended
            await asyncio.sleep(0.02)
    finally:
        await connection.close()


@pytest.mark.usefixtures("without_notes")
class TestMigrations:
    async def test_wait_for_each_other_as_long_as_it_takes(
        self, settings: Settings, database_url: str
    ) -> None:
        """Mutant: leave the timeouts as they are on the connection of the lock."""
        lock = f"SELECT pg_advisory_xact_lock({migrate.ADVISORY_LOCK})"
        async with holding(database_url, lock):
            upgrade = asyncio.create_task(migrate.upgrade(settings))
            await until(database_url, WAITS, upgrade)

        await upgrade

    async def test_keep_no_reader_waiting_behind_them(
        self, settings: Settings, database_url: str
    ) -> None:
        """Mutants: wait for a table without an end; give up at the first refusal."""
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


class TestRequests:
    async def test_that_meet_a_locked_row_are_told_to_come_again(
        self, editor: Client, database_url: str
    ) -> None:
        product = (await editor.post("/products", json=MUG)).json()
        row = f"SELECT FROM products WHERE id = '{product['id']}' FOR UPDATE"
        change = {"delta": 1, "reason": "found"}
        once = {"Idempotency-Key": "once"}
        with capture_logs() as logs:
            async with holding(database_url, row):
                refused = await editor.post(
                    f"/products/{product['id']}/stock", json=change, headers=once
                )

        assert refused.status_code == 503, refused.text
        assert refused.json()["code"] == "overloaded"
        assert int(refused.headers["retry-after"]) >= 1
        [failed] = [line for line in logs if line["event"] == "http.failed"]
        assert failed["sqlstate"] in {"55P03", "57014"}

    @pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "57014"])
    async def test_may_be_sent_again_after_these_errors(
        self, app: FastAPI, state: str
    ) -> None:
        """Mutant: a list that lacks one of them."""
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


class TestImports:
    async def test_wait_for_each_other_as_long_as_it_takes(
        self, editor: Client, database_url: str
    ) -> None:
        """Mutant: leave them the timeouts of the role."""
        async with holding(database_url, WAIT_FOR_OTHERS):
            send = editor.post("/products/import", content=ROW % 1, headers=NDJSON)
            imports = asyncio.create_task(send)
            await until(database_url, WAITS, imports)

        assert (await imports).json()["created"] == 1


class TestExports:
    async def test_go_at_the_pace_of_the_client(
        self, app: FastAPI, editor: Client, database_url: str
    ) -> None:
        """Mutant: leave them the timeouts of the role."""
        await editor.post("/products/import", content=rows(5000, "S"), headers=NDJSON)
        download = Download(app, editor, EXPORT)
        downloading = asyncio.create_task(download.run())
        await download.begun.wait()
        await until(database_url, WAS_IDLE, downloading)
        download.resumed.set()

        await downloading

        assert not download.sent[-1]["more_body"]
