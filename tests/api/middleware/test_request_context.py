import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import Any
from uuid import UUID

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.testing import capture_logs

from app.api.middleware.deadline import DeadlineMiddleware
from app.api.middleware.overload import OverloadMiddleware
from app.api.middleware.request_context import RequestContextMiddleware
from app.api.middleware.unhandled_errors import UnhandledErrorsMiddleware
from app.core.client_address import ClientAddressResolver
from app.core.logging import configure_logging
from app.core.request_context import RequestContext, current_request
from tests.api.middleware.exchange import DISCONNECT, ask, chunks, greet, http_scope

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OUR_PROXIES = [IPv4Network("10.0.0.0/8")]


@pytest.fixture(autouse=True, scope="module")
def configured_log() -> None:
    configure_logging(level="info", json=True)


def in_context(
    app: ASGIApp, *, trusted: Sequence[IPv4Network] = (), **options: Any
) -> ASGIApp:
    resolver = ClientAddressResolver(trusted)
    return RequestContextMiddleware(app, resolver=resolver, **options)


async def logged(app: ASGIApp, scope: Scope, *messages: Message) -> dict[str, Any]:
    with capture_logs() as logs:
        await ask(in_context(app), scope, *messages)
    [entry] = [entry for entry in logs if entry["event"] == "http.request"]
    return dict(entry)


class Witness:
    """An application that remembers its requests."""

    def __init__(self) -> None:
        self.contexts: list[RequestContext] = []
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if context := current_request():
            self.contexts.append(context)
        self.scopes.append(scope)
        await greet(scope, receive, send)


async def break_down(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError


class TestRequestId:
    @pytest.mark.parametrize("given", [b"abcd.E-1", b"x" * 64, b"0198c0de_2f"])
    async def test_is_the_one_that_the_client_sent(self, given: bytes) -> None:
        answer = await ask(
            in_context(greet), http_scope(headers=[(b"x-request-id", given)])
        )
        assert answer.values(b"x-request-id") == [given]

    @pytest.mark.parametrize(
        "given",
        [
            b"short",
            b"x" * 65,
            b"a b c d e f",
            b"abcdefgh\n",
            b"abc\r\nx: y",
            b"\xe9" * 8,
        ],
    )
    async def test_is_new_if_the_client_sent_an_invalid_one(self, given: bytes) -> None:
        answer = await ask(
            in_context(greet), http_scope(headers=[(b"x-request-id", given)])
        )
        [value] = answer.values(b"x-request-id")
        assert UUID(value.decode()).version == 7

    async def test_is_new_for_each_request(self) -> None:
        app = in_context(greet)
        answers = [await ask(app, http_scope()) for _ in range(2)]
        first, second = (answer.values(b"x-request-id") for answer in answers)
        assert first != second

    async def test_is_in_the_problem_document_and_its_header(self) -> None:
        answer = await ask(
            in_context(UnhandledErrorsMiddleware(break_down)), http_scope()
        )
        assert answer.values(b"x-request-id") == [answer.problem["request_id"].encode()]

    async def test_does_not_change_a_message_that_is_sent_again(self) -> None:
        start: Message = {"type": "http.response.start", "status": 503, "headers": []}

        async def prepared(scope: Scope, receive: Receive, send: Send) -> None:
            await send(start)

        await ask(in_context(prepared), http_scope())
        assert start["headers"] == []


class TestRequestContext:
    async def test_exists_only_during_the_request(self) -> None:
        witness = Witness()
        answer = await ask(in_context(witness), http_scope())
        [context] = witness.contexts
        assert [context.request_id.encode()] == answer.values(b"x-request-id")
        assert context.client_address == "192.0.2.7"
        assert current_request() is None

    async def test_ends_when_the_request_fails(self) -> None:
        with pytest.raises(RuntimeError):
            await ask(in_context(break_down), http_scope())
        assert current_request() is None

    async def test_is_separate_for_concurrent_requests(self) -> None:
        both_arrived = asyncio.Barrier(2)
        names: dict[str, str] = {}

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await both_arrived.wait()
            context = current_request()
            assert context is not None
            names[scope["path"]] = context.request_id
            await greet(scope, receive, send)

        await asyncio.gather(
            *(
                ask(
                    in_context(app),
                    http_scope(path=path, headers=[(b"x-request-id", name)]),
                )
                for path, name in (("/a", b"request-a"), ("/b", b"request-b"))
            )
        )
        assert names == {"/a": "request-a", "/b": "request-b"}


class TestForwardedHeaders:
    FORWARDED = (
        (b"x-forwarded-for", b"203.0.113.9"),
        (b"x-forwarded-proto", b"https"),
    )

    async def test_from_a_trusted_proxy_are_used(self) -> None:
        witness = Witness()
        scope = http_scope(headers=self.FORWARDED, client=("10.0.0.1", 1))
        await ask(in_context(witness, trusted=OUR_PROXIES), scope)
        [context], [seen] = witness.contexts, witness.scopes
        assert context.client_address == "203.0.113.9"
        assert Request(seen).client == ("203.0.113.9", 0)
        assert seen["scheme"] == "https"

    async def test_from_any_other_address_are_ignored(self) -> None:
        witness = Witness()
        scope = http_scope(headers=self.FORWARDED, client=("192.0.2.7", 1))
        await ask(in_context(witness, trusted=OUR_PROXIES), scope)
        [context], [seen] = witness.contexts, witness.scopes
        assert context.client_address == "192.0.2.7"
        assert Request(seen).client == ("192.0.2.7", 1)
        assert seen["scheme"] == "http"

    @pytest.mark.parametrize(
        ("peer", "given", "logged_id"),
        [
            ("10.0.0.1", f"00-{TRACE}-00f067aa0ba902b7-01", TRACE),
            ("192.0.2.7", f"00-{TRACE}-00f067aa0ba902b7-01", None),
            ("10.0.0.1", f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
            ("10.0.0.1", f"00-{TRACE}", None),
        ],
    )
    async def test_name_the_trace_only_if_a_trusted_proxy_sent_them(
        self, peer: str, given: str, logged_id: str | None
    ) -> None:
        """Mutant: let any client choose the trace."""
        scope = http_scope(headers=[(b"traceparent", given.encode())], client=(peer, 1))
        with capture_logs() as logs:
            await ask(in_context(greet, trusted=OUR_PROXIES), scope)
        assert logs[0].get("trace_id") == logged_id

    async def test_are_not_needed_on_a_unix_socket(self) -> None:
        witness = Witness()
        await ask(in_context(witness), http_scope(client=None))
        assert witness.contexts[0].client_address == "unix"


class TestLogLine:
    async def test_contains_the_request_and_its_outcome(self) -> None:
        scope = http_scope(
            path="/a",
            query=b"token=secret",
            headers=[(b"x-request-id", b"request-1")],
        )
        entry = await logged(greet, scope)
        duration = entry.pop("duration_ms")
        assert duration >= 0
        assert entry == {
            "event": "http.request",
            "log_level": "info",
            "method": "GET",
            "path": "/a",
            "route": "__unmatched__",
            "status_code": 200,
            "client_ip": "192.0.2.7",
            "request_id": "request-1",
            "http_request_body_size": 0,
            "http_response_body_size": 5,
            "db_queries": 0,
            "db_ms": 0.0,
        }

    @pytest.mark.parametrize(
        ("status", "level"),
        [
            (200, "info"),
            (304, "info"),
            (403, "warning"),
            (404, "info"),
            (408, "warning"),
            (429, "warning"),
            (500, "error"),
            (504, "error"),
        ],
    )
    async def test_has_a_level_according_to_the_status(
        self, status: int, level: str
    ) -> None:
        """Mutant: log each request as `info`."""
        entry = await logged(Response(b"", status), http_scope())
        assert entry["log_level"] == level

    async def test_counts_the_bytes_of_both_bodies(self) -> None:
        async def echo(scope: Scope, receive: Receive, send: Send) -> None:
            body = await Request(scope, receive).body()
            await Response(body + b"!")(scope, receive, send)

        entry = await logged(echo, http_scope(), *chunks(b"abc", b"de"))
        assert entry["http_request_body_size"] == 5
        assert entry["http_response_body_size"] == 6

    @pytest.mark.parametrize(("status", "rate"), [(500, 1), (404, 1), (200, None)])
    async def test_of_an_error_is_in_every_sample(
        self, status: int, rate: int | None
    ) -> None:
        """Mutant: apply the sample to all requests, so that most errors are missing."""
        app = in_context(Response(b"", status), sample=0.0)
        with capture_logs() as logs:
            await ask(app, http_scope())
        assert [line["sample_rate"] for line in logs] == [rate] * bool(rate)

    async def test_of_a_slow_request_is_in_every_sample(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.api.middleware.request_context.SLOW_MS", 0)
        with capture_logs() as logs:
            await ask(in_context(greet, sample=0.0), http_scope())
        assert [line["sample_rate"] for line in logs] == [1]

    async def test_contains_the_rate_of_the_sample(self) -> None:
        with capture_logs() as logs:
            for _ in range(200):
                await ask(in_context(greet, sample=0.5), http_scope())
        assert {line["sample_rate"] for line in logs} == {0.5}
        assert 50 < len(logs) < 150

    async def test_contains_the_fields_that_the_application_adds(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            context = current_request()
            assert context is not None
            context.log_fields["user_id"] = "u1"
            await greet(scope, receive, send)

        entry = await logged(app, http_scope())
        assert entry["user_id"] == "u1"

    async def test_is_one_line_of_bounded_length(self) -> None:
        entry = await logged(greet, http_scope(path="/a\r\nhttp.request" + "é" * 5000))
        assert entry["path"].startswith("/a\\r\\nhttp.request")
        assert len(entry["path"]) < 10_000

    async def test_is_not_written_for_excluded_paths(self) -> None:
        with capture_logs() as logs:
            app = in_context(greet, unlogged_paths=["/live"])
            answer = await ask(app, http_scope(path="/live"))
            await ask(app, http_scope(root_path="/shop", path="/shop/live"))
        assert logs == []
        assert answer.values(b"x-request-id")

    async def test_is_written_when_the_application_fails(self) -> None:
        with capture_logs() as logs, pytest.raises(RuntimeError):
            await ask(in_context(break_down), http_scope())
        assert [entry["status_code"] for entry in logs] == [500]

    async def test_is_written_once_after_the_line_of_the_error(self) -> None:
        with capture_logs() as logs:
            await ask(in_context(UnhandledErrorsMiddleware(break_down)), http_scope())
        events = [entry["event"] for entry in logs]
        assert events == ["http.unhandled_error", "http.request"]
        assert logs[1]["status_code"] == 500

    async def test_is_written_once_when_the_deadline_cuts_the_request(self) -> None:
        async def hang(scope: Scope, receive: Receive, send: Send) -> None:
            await asyncio.Event().wait()

        entry = await logged(DeadlineMiddleware(hang, seconds=0.01), http_scope())
        assert entry["status_code"] == 504
        assert entry["error_type"] == "deadline_exceeded"
        assert entry["log_level"] == "error"

    async def test_is_written_once_when_an_overload_refuses_the_request(self) -> None:
        """Mutant: do not log the error of a prepared answer."""
        reached, leave = asyncio.Event(), asyncio.Event()

        async def hold(scope: Scope, receive: Receive, send: Send) -> None:
            reached.set()
            await leave.wait()

        app = OverloadMiddleware(hold, most=1, fixed=1, uncounted=())
        first = asyncio.create_task(ask(app, http_scope()))
        await reached.wait()
        entry = await logged(app, http_scope())
        leave.set()
        await first
        assert entry["status_code"] == 503
        assert entry["error_type"] == "overloaded"
        assert entry["log_level"] == "error"


class TestClientDisconnects:
    async def test_while_sending_its_body_is_logged_as_499(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await Response(b"", 400)(scope, receive, send)

        entry = await logged(app, http_scope(), DISCONNECT)
        assert entry["status_code"] == 499

    async def test_before_the_answer_is_logged_as_499(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await Request(scope, receive).body()

        entry = await logged(UnhandledErrorsMiddleware(app), http_scope(), DISCONNECT)
        assert entry["status_code"] == 499

    async def test_that_cancels_the_request_is_logged_as_499(self) -> None:
        reached = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            reached.set()
            await asyncio.Event().wait()

        with capture_logs() as logs:
            task = asyncio.create_task(ask(in_context(app), http_scope()))
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert [entry["status_code"] for entry in logs] == [499]

    async def test_after_the_answer_is_logged_with_its_status(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await greet(scope, receive, send)
            await receive()

        entry = await logged(app, http_scope(), DISCONNECT)
        assert entry["status_code"] == 200


class TestLoggedRoute:
    @pytest.mark.parametrize(
        ("method", "path", "route"),
        [
            ("GET", "/api/v1/notes/17", "/api/v1/notes/{note_id}"),
            ("PUT", "/api/v1/notes/17", "/api/v1/notes/{note_id}"),
            ("GET", "/plain/17", "/plain/{item}"),
            ("GET", "/files/a/b.css", "/files"),
            ("GET", "/openapi.json", "/openapi.json"),
            ("GET", "/absent", "__unmatched__"),
        ],
    )
    async def test_is_the_declared_template(
        self, method: str, path: str, route: str
    ) -> None:
        entry = await logged(routed(), http_scope(method=method, path=path))
        assert entry["route"] == route

    async def test_contains_the_prefix_of_a_mounted_application(self) -> None:
        outer = Starlette(routes=[Mount("/v2", app=routed())])
        entry = await logged(outer, http_scope(path="/v2/plain/17"))
        assert entry["route"] == "/v2/plain/{item}"
        assert entry["path"] == "/v2/plain/17"


def routed() -> FastAPI:
    notes = APIRouter(prefix="/notes")

    @notes.get("/{note_id}")
    async def read_note(note_id: str) -> None: ...

    v1 = APIRouter()
    v1.include_router(notes)
    app = FastAPI()
    app.include_router(v1, prefix="/api/v1")

    @app.get("/plain/{item}")
    async def plain(item: str) -> None: ...

    app.mount("/files", greet)
    return app


class TestOtherProtocols:
    async def test_pass_without_context_or_log(self) -> None:
        witness = Witness()
        with capture_logs() as logs:
            answer = await ask(in_context(witness), {"type": "websocket"})
        assert answer.status == 200
        assert witness.contexts == []
        assert logs == []
