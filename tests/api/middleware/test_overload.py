"""The limit on requests that run at the same time, over HTTP."""

import asyncio
from itertools import islice
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from app.api.middleware.overload import OverloadMiddleware
from app.core.admission import door
from tests.api.middleware.exchange import http_scope
from tests.support.people import Client
from tests.support.timeouts import holding, until

PLACES = 2
ONE_WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted"


class TestBlockedDatabase:
    """Mutant: remove the limit."""

    @pytest.fixture
    def backend(self) -> str:
        return "postgresql"

    @pytest.fixture
    def overrides(self) -> dict[str, Any]:
        return {"max_in_flight": PLACES}

    async def test_refuses_requests_that_would_only_wait(
        self, user: Client, database_url: str
    ) -> None:
        path = "/notes"
        async with holding(database_url, "LOCK TABLE notes IN ACCESS EXCLUSIVE MODE"):
            reads = [asyncio.create_task(user.get(path)) for _ in range(3 * PLACES)]
            for answer in islice(asyncio.as_completed(reads), 2 * PLACES):
                assert (await answer).status_code == 503
            with capture_logs() as logs:
                refused = await user.get(path)
            # All places of reads are taken. Changes and probes have other places.
            refresh = await user.post("/auth/refresh", json={"refresh_token": "x"})
            ready = await user.get("/health/ready")

        answers = await asyncio.gather(*reads)
        assert sum(each.status_code == 200 for each in answers) == PLACES
        assert (refresh.status_code, ready.status_code) == (401, 200)
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["x-content-type-options"] == "nosniff"
        problem = refused.json()
        assert problem["code"] == "overloaded"
        assert problem["request_id"] == refused.headers["x-request-id"]
        [line] = [each for each in logs if each["event"] == "http.request"]
        assert (line["status_code"], line["request_id"]) == (503, problem["request_id"])


class TestConnections:
    """Mutant: adapt the limit only to the event loop, not to waits for connections."""

    @pytest.fixture
    def backend(self) -> str:
        return "postgresql"

    @pytest.fixture
    def overrides(self) -> dict[str, Any]:
        return {"db_pool_size": 2, "db_max_overflow": 0}  # one of the two is for reads

    async def test_are_measured_by_how_long_requests_wait_for_them(
        self, user: Client, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waits: list[float] = []
        monkeypatch.setattr(door, "note_connection_wait", waits.append)
        async with holding(database_url, "LOCK TABLE notes"):
            reads = [asyncio.create_task(user.get("/notes")) for _ in range(2)]
            await until(
                database_url,
                "SELECT count(*) FROM pg_locks WHERE NOT granted",
                reads[0],
            )
            assert not waits
        await asyncio.gather(*reads)

        assert max(waits) > 0


class TestClients:
    """Slow clients take no place from other requests."""

    async def test_that_read_a_stream_or_send_a_body_take_no_place(self) -> None:
        """Mutants: count streams; count a request while its body arrives."""
        begun, end = asyncio.Event(), asyncio.Event()

        async def stream(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"1", "more_body": True})
            begun.set()
            await end.wait()

        async def read(scope: Scope, receive: Receive, send: Send) -> None:
            begun.set()
            await receive()

        async def receive() -> Message:
            await end.wait()
            return {"type": "http.request", "body": b""}

        async def send(message: Message) -> None:
            statuses.append(message.get("status"))

        for method, endpoint in (("GET", stream), ("POST", read)):
            begun.clear()
            end.clear()
            statuses: list[int | None] = []
            app = OverloadMiddleware(endpoint, most=1, fixed=1, uncounted=())
            scope = http_scope(method=method)
            slow = [asyncio.create_task(app(scope, receive, send)) for _ in range(3)]
            await begun.wait()
            await asyncio.sleep(0)
            end.set()
            await asyncio.gather(*slow)
            assert 503 not in statuses

    async def test_that_do_not_read_the_answer_take_no_place(self) -> None:
        """Mutant: count until the answer is sent, so slow clients take all places."""
        statuses: list[int] = []
        unread = asyncio.Event()

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"1"})

        async def receive() -> Message:
            return {"type": "http.request", "body": b""}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await unread.wait()

        app = OverloadMiddleware(answer, most=1, fixed=1, uncounted=())
        clients = [
            asyncio.create_task(app(http_scope(), receive, send)) for _ in range(3)
        ]
        while len(statuses) < len(clients):
            await asyncio.sleep(0)
        unread.set()
        await asyncio.gather(*clients)

        assert statuses == [200] * 3
