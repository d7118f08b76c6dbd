"""Imports and exports that lose their connection to PostgreSQL."""

from asyncio import Task, create_task, sleep
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import Response
from sqlalchemy import event, make_url
from structlog.testing import capture_logs

from app.api.v1.endpoints.products.files import FileSlots
from app.services.products.importing import BATCH
from testbed.fault_proxy import Tripwire, open_line
from testbed.postgres import KILL_OTHERS, execute
from tests.api.products.files import EXPORT, NDJSON, rows
from tests.support.download import Download
from tests.support.people import Client

COPY = b"COPY "
NO_KEY: Mapping[str, str] = {}
KEY = {"Idempotency-Key": "once"}


@pytest.fixture
def backend() -> str:
    return "postgresql"


@pytest.fixture
async def line(postgres_database_url: str) -> AsyncGenerator[Tripwire]:
    """The proxy between the application and PostgreSQL."""
    async with open_line(Tripwire(make_url(postgres_database_url).port or 0)) as line:
        yield line
        line.cut.set()


@pytest.fixture
def database_url(line: Tripwire, postgres_database_url: str) -> str:
    url = make_url(postgres_database_url).set(port=line.port)
    return url.render_as_string(hide_password=False)


@pytest.fixture
def driver(app: FastAPI) -> list[Any]:
    """Return the connections of the driver. The list grows with each new connection."""
    made: list[Any] = []
    engine = app.state.shared.database.writer.sync_engine

    @event.listens_for(engine, "connect")
    def remember(connection: Any, _: Any) -> None:
        made.append(connection.driver_connection)

    return made


def begin_import(
    editor: Client, content: bytes, key: Mapping[str, str] = NO_KEY
) -> Task[Response]:
    headers = {**NDJSON, **key}
    return create_task(
        editor.post("/products/import", content=content, headers=headers)
    )


async def assert_nothing_is_left(app: FastAPI, editor: Client, products: int) -> None:
    resources = app.state.shared
    assert resources.database.writer.pool.checkedout() == 0
    slots = resources.single(FileSlots)
    assert not slots.imports.locked()
    assert slots.exports._value == FileSlots(resources).exports._value  # all free
    # The driver notices a moment later that PostgreSQL has ended its connections.
    while (exported := await editor.get("/products/export")).status_code == 503:
        await sleep(0.01)
    assert exported.status_code == 200
    assert len(exported.text.splitlines()) == products


def failures(logs: list[Any]) -> list[Any]:
    return [line for line in logs if line["event"] != "http.request"]


class TestImport:
    @pytest.mark.parametrize("key", [NO_KEY, KEY])
    @pytest.mark.parametrize(
        "phrase", [COPY, b"ANALYZE", b"INSERT INTO products", b"UPDATE", b"COMMIT"]
    )
    @pytest.mark.parametrize("killed", [True, False])
    async def test_answers_503_and_writes_nothing(
        self,
        app: FastAPI,
        editor: Client,
        line: Tripwire,
        postgres_database_url: str,
        phrase: bytes,
        key: dict[str, str],
        killed: bool,
    ) -> None:
        """Mutants: do not handle errors of the driver; report the failed rollback."""
        line.phrase = phrase
        with capture_logs() as logs:
            answer = begin_import(editor, rows(2 * BATCH, "S"), key)
            await line.reached.wait()
            if killed:
                await execute(postgres_database_url, KILL_OTHERS)
            else:
                line.cut.set()
            refused = await answer

        assert refused.status_code == 503, refused.text
        assert refused.json()["code"] == "dependency_unavailable"
        [failed] = failures(logs)
        assert "exc_info" not in failed
        assert "rollback" not in failed["message"]  # a consequence, not the cause
        await assert_nothing_is_left(app, editor, 0)

    async def test_ends_while_the_driver_waits_to_send_more(
        self,
        app: FastAPI,
        editor: Client,
        line: Tripwire,
        driver: list[Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Mutant: let the driver wait for ever until it can write."""
        # With one batch, COPY sends more than the buffers of the system can hold.
        monkeypatch.setattr("app.services.products.importing.BATCH_BYTES", 1 << 30)
        await app.state.shared.database.writer.dispose()
        line.phrase = COPY
        answer = begin_import(editor, rows(BATCH, "S", description="x" * 5000))
        await line.reached.wait()
        while not any(is_full(each) for each in driver):
            assert not answer.done()
            await sleep(0.01)
        line.cut.set()

        assert (await answer).status_code == 503
        await assert_nothing_is_left(app, editor, 0)


class TestExport:
    @pytest.mark.parametrize("phrase", [b"BEGIN", b"set_config", b"COPY (SELECT"])
    async def test_answers_503_before_the_first_row(
        self, app: FastAPI, editor: Client, line: Tripwire, phrase: bytes
    ) -> None:
        """Mutant: let the driver begin and end the transaction without SQLAlchemy."""
        line.phrase = phrase
        line.cut.set()
        with capture_logs() as logs:
            refused = await editor.get("/products/export")

        assert line.reached.is_set()
        assert refused.status_code == 503, refused.text
        assert refused.json()["code"] == "dependency_unavailable"
        assert [entry["event"] for entry in failures(logs)] == ["http.failed"]
        await assert_nothing_is_left(app, editor, 0)

    async def test_cuts_an_answer_that_has_started(
        self, app: FastAPI, editor: Client, postgres_database_url: str
    ) -> None:
        """Mutants: end the answer as if it were complete; log a traceback."""
        await begin_import(editor, rows(5000, "S"))
        download = Download(app, editor, EXPORT)
        downloading = create_task(download.run())
        await download.begun.wait()

        with capture_logs() as logs:
            await execute(postgres_database_url, KILL_OTHERS)
            download.resumed.set()
            await downloading

        assert download.sent[0]["status"] == 200
        assert download.sent[-1][
            "more_body"
        ]  # the client can see that the answer is incomplete
        [entry] = failures(logs)
        assert (entry["event"], entry["code"]) == ("http.cut", "dependency_unavailable")
        assert entry["message"]
        assert "exc_info" not in entry
        await assert_nothing_is_left(app, editor, 5000)


def is_full(connection: Any) -> bool:
    """Whether the driver has so many unsent bytes that it accepts no more."""
    waits: int = connection._transport.get_write_buffer_size()
    return waits > 65_536
