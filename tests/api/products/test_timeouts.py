"""Imports and exports may take longer than the timeouts of the role."""

import asyncio

import pytest
from fastapi import FastAPI

from app.services.products.files.staging import WAIT_FOR_OTHERS
from tests.api.products.files import EXPORT, NDJSON, rows
from tests.support.download import Download
from tests.support.people import Client
from tests.support.timeouts import WAITS, holding, set_timeouts, until

ROW = b'{"sku": "ROW-1", "name": "Row", "price": "1", "currency": "EUR"}\n'
# Asks whether no transaction was idle for less than that, or PostgreSQL ended it.
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
async def database_url(postgres_database_url: str) -> str:
    await set_timeouts(postgres_database_url)
    return postgres_database_url


class TestImports:
    async def test_wait_for_each_other_as_long_as_it_takes(
        self, editor: Client, database_url: str
    ) -> None:
        """Mutant: leave them the timeouts of the role."""
        async with holding(database_url, WAIT_FOR_OTHERS):
            send = editor.post("/products/import", content=ROW, headers=NDJSON)
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
