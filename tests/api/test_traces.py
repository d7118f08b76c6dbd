"""Traces show what a request waited for. They contain no secrets."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from opentelemetry.trace import StatusCode
from structlog.testing import capture_logs

from app.api import observers
from app.api.traces import MOST_WAITING
from app.core.config import Settings
from app.db.session import Database, transaction
from app.main import create_application
from app.services.mail import outbox
from app.services.mail.worker import MailWorker
from testbed.collector import Collector, attributes, run_collector
from tests.notes.served import ROUTERS_WITH_NOTES
from tests.services.mail.test_worker import BrokenTransport
from tests.support.people import Client, People, open_client
from tests.support.timeouts import busy

PROXY, CLIENT = "192.0.2.9", "192.0.2.1"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
NOT_SAMPLED = {"traceparent": f"00-{TRACE}-{SPAN}-00"}
SECRET = "planted-0123456789"


@pytest.fixture(autouse=True)
def patience_for_collectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer than in production, because a busy machine can be slow."""
    for name in ("CLOSE_SECONDS", "EXPORT_SECONDS"):
        monkeypatch.setattr(f"app.api.traces.{name}", 60.0)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with run_collector() as collector:
        yield collector


@pytest.fixture
def overrides(collector: Collector) -> dict[str, Any]:
    return {
        "telemetry_endpoint": collector.url,
        "telemetry_sample": 1,
        "trusted_proxies": [PROXY],
    }


@asynccontextmanager
async def serving(settings: Settings) -> AsyncGenerator[People]:
    """Run the service in the block. At its end, the service sends all spans."""
    app = create_application(settings, ROUTERS_WITH_NOTES)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        yield People(app, stack)


def named(spans: list[Any], name: str) -> Any:
    [span] = [span for span in spans if span.name == name]
    return span


class TestTrace:
    async def test_has_the_route_and_what_the_request_waited_for(
        self, settings: Settings, collector: Collector, backend: str
    ) -> None:
        """Mutants: make no span in `Direct` or `waiting_for`; leave out the route."""
        async with serving(settings) as people:
            user = await people.sign_in()
            with capture_logs() as logs:
                created = await user.post("/notes", json={"title": SECRET})
                note = created.json()["id"]
                await user.get(f"/notes/{note}")
                await user.get("/nowhere")
        spans = collector.spans
        lines = {line["path"]: line for line in logs if line["event"] == "http.request"}
        create = named(spans, "POST /api/v1/notes")
        read = named(spans, "GET /api/v1/notes/{note_id}")

        about = attributes(create)
        assert about["http.route"] == "/api/v1/notes"
        assert about["http.response.status_code"] == 201
        assert about["request_id"] == created.headers["X-Request-ID"]
        assert about["user_id"] == user.user_id
        line = lines["/api/v1/notes"]
        assert line["trace_id"] == create.trace_id.hex()
        assert line["span_id"] == create.span_id.hex()
        for request in (create, read):
            parts = [each for each in spans if each.parent_span_id == request.span_id]
            assert all(each.trace_id == request.trace_id for each in parts)
            statements = [each for each in parts if each.name == "SELECT"]
            assert statements
            for each in statements:
                about = attributes(each)
                assert about["db.system.name"] == backend
                assert "WHERE" in about["db.query.text"]
        parts = [each for each in spans if each.parent_span_id == create.span_id]
        assert {"INSERT", "commit"} <= {each.name for each in parts}
        if backend == "postgresql":
            login = named(spans, "POST /api/v1/auth/login")
            calls = [each for each in spans if each.name == "redis"]
            assert login.span_id in {each.parent_span_id for each in calls}
        missing = named(spans, "GET")
        assert attributes(missing)["error_type"] == "not_found"

    async def test_has_no_secret(
        self, settings: Settings, collector: Collector
    ) -> None:
        """Mutant: keep the query string, which FastAPI writes into its span."""
        async with serving(settings) as people:
            user = await people.sign_in()
            key = {"Idempotency-Key": SECRET}
            await user.post("/notes", json={"title": SECRET}, headers=key)
            await user.get(f"/notes?title={SECRET}", headers={"Cookie": SECRET})
            login = {"email": f"{SECRET}@example.org", "password": SECRET}
            await user.post("/auth/login", json=login)
            token = user.tokens["access_token"]
        assert len(collector.spans) > 10
        for secret in (SECRET, token, user.email):
            assert secret.encode() not in collector.bytes

    async def test_marks_a_statement_that_failed(
        self, settings: Settings, collector: Collector
    ) -> None:
        """Mutant: make the span of a failed statement without the error."""
        async with serving(settings) as people:
            user = await people.sign_in()
            body = {"title": "Groceries"}
            answers = [await user.post("/notes", json=body) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 409]
        failed = [each.status.code for each in collector.spans if each.name == "INSERT"]
        assert failed.count(StatusCode.ERROR.value) == 1

    async def test_shows_the_wait_for_a_connection(
        self, settings: Settings, collector: Collector
    ) -> None:
        """Mutant: write the wait only into the log line."""
        async with serving(settings) as people:
            user = await people.sign_in()
            async with busy(people.app.state.shared.database.writer):
                body = {"title": "Groceries"}
                writing = asyncio.create_task(user.post("/notes", json=body))
            await writing
        request = named(collector.spans, "POST /api/v1/notes").span_id
        waits = [each for each in collector.spans if each.name == "connection"]
        assert request in {each.parent_span_id for each in waits}

    async def test_of_a_mail_says_how_its_delivery_ended(
        self, settings: Settings, collector: Collector
    ) -> None:
        watching = observers.make_observers(settings)
        transport = BrokenTransport(failures=1)
        async with watching.sending(), Database(settings) as database:
            async with transaction(database) as session:
                for _ in range(2):
                    owed = outbox.Outbox(session)
                    await owed.add("account_exists", "ada@example.org", link=SECRET)
            wake, see = asyncio.Event(), watching.see_delivery
            worker = MailWorker(database, settings, transport, wake, see=see)
            assert await worker.deliver_due() == 2

        failed, sent = collector.spans
        assert failed.name == sent.name == "deliver account_exists"
        assert failed.status.code == StatusCode.ERROR.value
        assert attributes(failed)["error.type"] == "DeliveryFailed"
        assert sent.status.code == StatusCode.UNSET.value
        assert SECRET.encode() not in collector.bytes


@pytest.mark.parametrize("share", [0, 1])
class TestCaller:
    @pytest.fixture
    def overrides(self, overrides: dict[str, Any], share: int) -> dict[str, Any]:
        return {**overrides, "telemetry_sample": share}

    async def test_decides_about_the_trace_only_through_a_trusted_proxy(
        self, settings: Settings, collector: Collector, share: int
    ) -> None:
        """Mutant: obey `traceparent` of every client."""
        async with serving(settings) as people:
            for address, headers in (
                (PROXY, SAMPLED),
                (PROXY, NOT_SAMPLED),
                (CLIENT, SAMPLED),
                (CLIENT, NOT_SAMPLED),
            ):
                async with open_client(people.app, address) as client:
                    await client.get("/notes", headers=headers)
                    await client.get("/health/live")

        requests = [each for each in collector.spans if each.name.startswith("GET")]
        continued = [each for each in requests if each.trace_id.hex() == TRACE]
        assert [each.parent_span_id.hex() for each in continued] == [SPAN]
        others = [each for each in requests if each not in continued]
        assert len(others) == 2 * share
        assert not any(each.parent_span_id for each in others)


class TestRequestThatIsNotTraced:
    async def test_costs_almost_the_same_as_without_traces(
        self, settings: Settings
    ) -> None:
        """Mutant: choose by the option `exclude` of FastAPI, which is slow."""
        counts = []
        for endpoint in ("", settings.telemetry_endpoint):
            update = {"telemetry_endpoint": endpoint, "telemetry_sample": 0}
            async with serving(settings.model_copy(update=update)) as people:
                client = await people.anonymous()
                counts.append(min([await steps(client) for _ in range(5)]))
        without, traced = counts
        assert traced - without < 80


async def steps(client: Client) -> int:
    """Count the calls and returns of one request."""
    count = 0

    def see(*_: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(see)
    try:
        await client.get("/notes")
    finally:
        sys.setprofile(None)
    return count


class TestCollectorThatHangs:
    @pytest.fixture
    def patience_for_collectors(self) -> None:
        """Use the timeouts of production."""

    @pytest.fixture
    def backend(self) -> str:
        return "sqlite"  # no span here is about the database

    @pytest.fixture
    def collector(self) -> Iterator[Collector]:
        with run_collector(answers=False) as collector:
            yield collector

    async def test_does_not_delay_the_end_of_the_process(
        self, settings: Settings, collector: Collector
    ) -> None:
        """Mutant: wait for `TracerProvider.shutdown`, which sends all waiting spans."""
        watching = observers.make_observers(settings)
        async with watching.sending():
            assert watching.traces is not None
            for _ in range(2 * MOST_WAITING):
                watching.traces.add_delivery("an-id", "a-template", 0.1, None)
        # Each report takes seconds, so the process has not waited for all of them.
        assert len(collector.spans) < MOST_WAITING


OFF = """
import asyncio, sys
from app.core.config import Settings
from app.main import create_application

async def start():
    app = create_application(Settings(_env_file=None, database_url=sys.argv[1]))
    async with app.router.lifespan_context(app):
        assert not {"opentelemetry.sdk", "sentry_sdk", "requests"} & sys.modules.keys()

asyncio.run(start())
"""


def test_without_the_settings_nothing_is_imported(sqlite_database_url: str) -> None:
    """Mutant: import `app.api.traces` at the top of a module."""
    line = [sys.executable, "-c", OFF, sqlite_database_url]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
