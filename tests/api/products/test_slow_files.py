"""Imports and exports of slow clients do not delay other requests."""

import resource
from asyncio import (
    FIRST_COMPLETED,
    Event,
    Task,
    create_task,
    gather,
    wait,
)
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import Response
from sqlalchemy import text
from starlette.types import Message

from app.api.streams import StreamedResponse
from app.api.v1.endpoints.products.files import FileSlots
from app.core.errors import Overloaded
from app.db.session import transaction
from app.services.products.exporting import export_products
from app.services.products.files.staging import WAIT_FOR_OTHERS
from app.services.products.importing import BATCH
from tests.api.products.files import EXPORT, MUG, NDJSON, rows
from tests.support.download import Download
from tests.support.people import Client

IMPORTS = 2
WAITING = text("""
SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database
WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()
""")


@pytest.fixture
def overrides() -> dict[str, Any]:
    return {"db_pool_size": 4, "db_pool_timeout_seconds": 1}


async def assert_others_are_served(editor: Client, sku: str) -> None:
    assert (await editor.get("/products")).status_code == 200
    created = await editor.post("/products", json={**MUG, "sku": sku})
    assert created.status_code == 201, created.text


class PausedImport:
    """An import that pauses when the service has read half of its body."""

    def __init__(self, editor: Client, number: int, key: str = "") -> None:
        self.editor = editor
        self.headers = NDJSON | ({"Idempotency-Key": key} if key else {})
        self.halves = [rows(2 * BATCH, f"{half}-{number}-") for half in "ab"]
        self.paused, self.resumed = Event(), Event()

    async def begin(self) -> Task[Response]:
        body = self._body()
        task = create_task(
            self.editor.post("/products/import", content=body, headers=self.headers)
        )
        pause = create_task(self.paused.wait())
        await wait({task, pause}, return_when=FIRST_COMPLETED)
        assert not task.done(), task.result().text
        return task

    async def _body(self) -> AsyncIterator[bytes]:
        first, second = self.halves
        yield first
        self.paused.set()
        await self.resumed.wait()
        yield second


class TestImport:
    @pytest.mark.parametrize("key", ["", "key-"])
    async def test_that_pauses_does_not_delay_other_requests(
        self, editor: Client, key: str
    ) -> None:
        """Mutant: begin the transaction with the first rows."""
        imports = [PausedImport(editor, n, key and f"{key}{n}") for n in range(IMPORTS)]
        answers = [await each.begin() for each in imports]

        await assert_others_are_served(editor, "MEANWHILE")
        for each in imports:
            each.resumed.set()
        created = [answer.json()["created"] for answer in await gather(*answers)]

        assert created == [4 * BATCH] * IMPORTS

    @pytest.mark.parametrize("overrides", [{"import_max_uploads": IMPORTS}])
    async def test_beyond_the_limit_is_refused_before_its_body_is_read(
        self, editor: Client
    ) -> None:
        """Mutants: accept any number of files; release a place too early."""
        imports = [PausedImport(editor, number) for number in range(IMPORTS)]
        answers = [await each.begin() for each in imports]
        read: list[bytes] = []

        async def body() -> AsyncIterator[bytes]:
            for row in (rows(1, "X"), rows(1, "Y")):
                read.append(row)
                yield row

        url = "/products/import"
        refused = await editor.post(url, content=body(), headers=NDJSON)
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert refused.headers["retry-after"]
        assert read == []

        for each in imports:
            each.resumed.set()
        await gather(*answers)
        assert (
            await editor.post(url, content=body(), headers=NDJSON)
        ).status_code == 200

    @pytest.mark.parametrize("overrides", [{"import_max_uploads": 1}])
    async def test_that_is_cut_releases_its_place(self, editor: Client) -> None:
        """Mutant: release the place only after an answer."""
        paused = PausedImport(editor, 0)
        answer = await paused.begin()
        answer.cancel()
        await wait({answer})

        again = await editor.post(
            "/products/import", content=rows(1, "S"), headers=NDJSON
        )

        assert again.status_code == 200

    @pytest.mark.parametrize("backend", ["postgresql"])  # SQLite has one writer
    async def test_waits_for_another_import_with_one_connection_in_total(
        self, app: FastAPI, editor: Client
    ) -> None:
        """Mutant: let each waiting import begin a transaction."""
        database = app.state.shared.database
        imports = [PausedImport(editor, number) for number in range(IMPORTS)]
        async with database.probe.connect() as other:
            await other.execute(text(WAIT_FOR_OTHERS))
            answers = []
            for each in imports:
                answers.append(await each.begin())
                each.resumed.set()
            async with transaction(database) as session:
                while not await session.scalar(WAITING):
                    assert not any(answer.done() for answer in answers)
            await assert_others_are_served(editor, "MEANWHILE")
        created = [answer.json()["created"] for answer in await gather(*answers)]

        assert created == [4 * BATCH] * IMPORTS

    async def test_answers_507_if_the_disk_is_full(
        self, app: FastAPI, editor: Client
    ) -> None:
        """Mutants: do not handle the error; begin the transaction first."""
        with largest_file(1 << 20):
            answer = await editor.post(
                "/products/import", content=rows(20_000, "S"), headers=NDJSON
            )

        assert answer.status_code == 507
        assert answer.json()["code"] == "insufficient_storage"
        assert app.state.shared.database.writer.pool.checkedout() == 0
        assert (await editor.get("/products")).json()["items"] == []


class TestExport:
    async def test_to_slow_clients_leaves_connections_for_other_requests(
        self, app: FastAPI, editor: Client
    ) -> None:
        """Mutants: export without slots; release a slot before the export ends."""
        await editor.post("/products/import", content=rows(5000, "S"), headers=NDJSON)
        slow = Download(app, editor, EXPORT)
        downloading = create_task(slow.run())
        await slow.begun.wait()

        await assert_others_are_served(editor, "MEANWHILE")
        refused = await editor.get("/products/export")
        slow.resumed.set()
        await downloading
        again = await editor.get("/products/export")

        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert refused.headers["retry-after"]
        assert len(again.text.splitlines()) == 5001
        assert not slow.sent[-1]["more_body"]
        assert slow.sent[0]["status"] == 200

    async def test_without_a_free_connection_is_refused_before_it_starts(
        self, app: FastAPI, editor: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Mutants: send the status, or the CSV header, before the first row arrives."""
        resources = app.state.shared
        content = export_products(resources.database, "csv")
        slots = resources.single(FileSlots).exports
        response = StreamedResponse(content, slots, timedelta(minutes=10))
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async with AsyncExitStack() as stack:
            lasting = resources.database.replica.lasting
            monkeypatch.setattr(lasting.pool, "_timeout", 0.1)  # seconds
            for _ in range(lasting.pool.size()):
                await stack.enter_async_context(lasting.connect())
            with pytest.raises(Overloaded):
                await response.stream_response(send)

        assert sent == []
        assert (await editor.get("/products/export")).status_code == 200

    @pytest.mark.parametrize("overrides", [{"export_timeout_seconds": 1}])
    async def test_that_is_read_too_slowly_releases_its_connection(
        self, app: FastAPI, editor: Client
    ) -> None:
        """Mutant: limit only the time of each chunk."""
        await editor.post("/products/import", content=rows(5000, "S"), headers=NDJSON)
        slow = Download(app, editor, EXPORT)

        await slow.run()

        assert slow.sent[-1]["more_body"]
        assert app.state.shared.database.replica.lasting.pool.checkedout() == 0

    async def test_stops_when_the_client_disconnects(
        self, app: FastAPI, editor: Client
    ) -> None:
        """Mutant: do not close the generator, but leave it to garbage collection."""
        await editor.post("/products/import", content=rows(5000, "S"), headers=NDJSON)
        download = Download(app, editor, EXPORT)
        download.gone = True

        await download.run()

        assert [message["type"] for message in download.sent][1:] == [
            "http.response.body"
        ]
        assert app.state.shared.database.replica.lasting.pool.checkedout() == 0
        assert (await editor.get("/products/export")).status_code == 200


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Make the writing of a larger file fail, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
