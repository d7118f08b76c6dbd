"""Imports and exports can take longer than the timeouts of the database role."""

import asyncio

import pytest
from fastapi import FastAPI

from app.services.products.files.staging import WAIT_FOR_OTHERS
from tests.api.products.files import EXPORT, NDJSON, rows
from tests.support.download import Download
from tests.support.people import Client
from tests.support.timeouts import WAITS, holding, set_timeouts, until

ROW = b'{"sku": "ROW-1", "name": "Row", "price": "1", "currency": "EUR"}\n'
# Asks whether a transaction was idle for two seconds, or PostgreSQL has ended it.
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
    async def test_wait_for_each_other_without_a_timeout(
        self, editor: Client, database_url: str
    ) -> None:
        """Mutant: keep the timeouts of the role."""
        async with holding(database_url, WAIT_FOR_OTHERS):
            send = editor.post("/products/import", content=ROW, headers=NDJSON)
            imports = asyncio.create_task(send)
            await until(database_url, WAITS, imports)

        assert (await imports).json()["created"] == 1


class TestExports:
    async def test_wait_for_a_slow_client_without_a_timeout(
        self, app: FastAPI, editor: Client, database_url: str
    ) -> None:
        """Mutant: keep the timeouts of the role."""
        await editor.post("/products/import", content=rows(5000, "S"), headers=NDJSON)
        download = Download(app, editor, EXPORT)
        downloading = asyncio.create_task(download.run())
        await download.begun.wait()
        await until(database_url, WAS_IDLE, downloading)
        download.resumed.set()

        await downloading

        assert not download.sent[-1]["more_body"]
