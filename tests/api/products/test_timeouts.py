"""Imports and exports can exceed the timeouts. They do not delay other requests."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI

from app.services.products.files.staging import WAIT_FOR_OTHERS
from tests.api.products.files import EXPORT, NDJSON, rows
from tests.support.download import Download
from tests.support.people import Client
from tests.support.timeouts import SHORT, WAITS, holding, set_timeouts, until

ROW = b'{"sku": "ROW-1", "name": "Row", "price": "1", "currency": "EUR"}\n'
CHANGES = 12
BLOCKED = "SELECT count(*) = {} FROM pg_locks WHERE NOT granted"
# Asks whether PostgreSQL has waited for the client longer than the timeouts allow.
HAS_WAITED = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND wait_event = 'ClientWrite' AND query_start < now() - interval '2s'
"""


@pytest.fixture
def backend() -> str:
    return "postgresql"


@pytest.fixture
async def database_url(postgres_database_url: str) -> str:
    await set_timeouts(postgres_database_url)
    return postgres_database_url


@pytest.fixture
def overrides() -> dict[str, Any]:
    return SHORT


class TestImports:
    async def test_wait_for_each_other_without_a_timeout(
        self, editor: Client, database_url: str
    ) -> None:
        """Mutant: keep the timeouts of other requests."""
        async with holding(database_url, WAIT_FOR_OTHERS):
            send = editor.post("/products/import", content=ROW, headers=NDJSON)
            imports = asyncio.create_task(send)
            await until(database_url, WAITS, imports)

        assert (await imports).json()["created"] == 1

    @pytest.mark.parametrize("overrides", [{}])
    async def test_leave_connections_for_reads_while_changes_wait(
        self, app: FastAPI, editor: Client, database_url: str
    ) -> None:
        """Mutant: use one pool for reads and changes."""
        file = rows(CHANGES, "S", stock=1)
        await editor.post("/products/import", content=file, headers=NDJSON)
        products = (await editor.get("/products")).json()["items"]
        urls = [f"/products/{each['id']}/stock" for each in products]
        writers = app.state.shared.database.writer.pool.size()
        # When the import reaches this table, it has locked all its products.
        log = "LOCK TABLE stock_movements IN EXCLUSIVE MODE"
        async with holding(database_url, log):
            send = editor.post("/products/import", content=file, headers=NDJSON)
            imports = asyncio.create_task(send)
            await until(database_url, BLOCKED.format(1), imports)
            change = {"delta": 1, "reason": "delivery"}
            changes = [
                asyncio.create_task(editor.post(url, json=change)) for url in urls
            ]
            await until(database_url, BLOCKED.format(writers), changes[-1])

            caller = await editor.get("/users/me")

            assert caller.status_code == 200
            assert not any(change.done() for change in changes)
        imported = (await imports).json()
        changed = await asyncio.gather(*changes)

        assert (imported["created"], imported["updated"]) == (0, CHANGES)
        assert [each.json()["stock"] for each in changed] == [2] * CHANGES


class TestExports:
    async def test_wait_for_a_slow_client_without_a_timeout(
        self, app: FastAPI, editor: Client, database_url: str
    ) -> None:
        """Mutant: keep the timeouts of other requests."""
        file = rows(5000, "S", description="x" * 5000)  # more than the buffers can hold
        await editor.post("/products/import", content=file, headers=NDJSON)
        download = Download(app, editor, EXPORT)
        downloading = asyncio.create_task(download.run())
        await download.begun.wait()
        await until(database_url, HAS_WAITED, downloading)
        download.resumed.set()

        await downloading

        assert not download.sent[-1]["more_body"]
