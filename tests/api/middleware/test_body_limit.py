import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

import pytest
from fastapi import Body, FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from app.api.middleware.body_limit import BodyLimitMiddleware
from app.api.uploads import Allowance
from tests.api.middleware.exchange import (
    DISCONNECT,
    HOST,
    ask,
    chunks,
    http_scope,
)

CHUNKED = (b"transfer-encoding", b"chunked")
AT_ONCE = timedelta(0)
NEVER = timedelta(days=1)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await Response(body)(scope, receive, send)


async def echo_or_complain(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 400 if the body cannot be read, as frameworks do."""
    try:
        await echo(scope, receive, send)
    except ClientDisconnect:
        await Response(b"what was that?", 400)(scope, receive, send)


async def stream_back(scope: Scope, receive: Receive, send: Send) -> None:
    """Send back each part of the body when it arrives."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while (message := await receive())["type"] == "http.request":
        body = message["body"]
        await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body"})


async def accept_anything(body: Annotated[str, Body()]) -> str:
    return body


async def forbidden(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("the middleware called the application")


def length(value: bytes) -> tuple[bytes, bytes]:
    return (b"content-length", value)


def upload(*headers: tuple[bytes, bytes], **others: Any) -> Scope:
    return http_scope(method="POST", headers=(HOST, *headers), **others)


class TestBodySize:
    async def test_a_body_of_exactly_the_limit_passes(self) -> None:
        app = BodyLimitMiddleware(echo, default=10)
        answer = await ask(app, upload(length(b"10")), *chunks(b"12345", b"67890"))
        assert answer.status == 200
        assert answer.body == b"1234567890"

    @pytest.mark.parametrize("value", [b"11", b"0011", b"9" * 18, b"9" * 5000])
    async def test_a_declared_size_over_the_limit_is_refused_without_reading(
        self, value: bytes
    ) -> None:
        app = BodyLimitMiddleware(forbidden, default=10)
        answer = await ask(app, upload(length(value)))
        assert answer.status == 413
        assert answer.problem["code"] == "body_too_large"
        assert answer.values(b"connection") == [b"close"]

    async def test_a_body_without_a_length_is_refused_at_the_limit(self) -> None:
        app = BodyLimitMiddleware(echo_or_complain, default=10)
        body = chunks(b"123456", b"78901", ends=False)
        answer = await ask(app, upload(CHUNKED), *body)
        assert answer.status == 413
        assert answer.problem["code"] == "body_too_large"

    async def test_a_body_longer_than_declared_is_refused(self) -> None:
        app = BodyLimitMiddleware(echo_or_complain, default=10)
        answer = await ask(app, upload(length(b"5")), *chunks(b"12345678901"))
        assert answer.status == 413

    async def test_an_http_2_body_without_a_length_is_counted(self) -> None:
        app = BodyLimitMiddleware(echo_or_complain, default=10)
        answer = await ask(app, upload(http_version="2"), *chunks(b"12345678901"))
        assert answer.status == 413
        assert answer.values(b"connection") == []  # RFC 9113 §8.2.2

    async def test_a_path_can_have_its_own_limit(self) -> None:
        app = BodyLimitMiddleware(
            echo, default=10, uploads={"/import": Allowance(20, timedelta(1))}
        )
        body = b"123456789012345"
        wide = await ask(app, upload(length(b"15"), path="/import"), *chunks(body))
        narrow = await ask(app, upload(length(b"15"), path="/import/x"), *chunks(body))
        assert (wide.status, narrow.status) == (200, 413)

    async def test_the_limit_of_a_path_applies_below_a_root_path(self) -> None:
        """Mutant: compare paths without removing the root path."""
        app = BodyLimitMiddleware(
            echo, default=10, uploads={"/import": Allowance(20, timedelta(1))}
        )
        below = {"root_path": "/shop", "path": "/shop/import"}
        scope = upload(length(b"15"), **below)
        answer = await ask(app, scope, *chunks(b"123456789012345"))
        assert answer.status == 200

    async def test_fastapi_cannot_replace_the_refusal(self) -> None:
        app = FastAPI()
        app.add_api_route("/", accept_anything, methods=["POST"])
        limited = BodyLimitMiddleware(app, default=10)
        scope = upload(CHUNKED, (b"content-type", b"application/json"))
        answer = await ask(limited, scope, *chunks(b'"123456', b'78901"'))
        assert answer.status == 413
        assert answer.problem["code"] == "body_too_large"

    async def test_an_application_that_keeps_reading_does_not_change_the_refusal(
        self,
    ) -> None:
        async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
            for _ in range(3):
                await receive()

        app = BodyLimitMiddleware(stubborn, default=10)
        body = chunks(b"12345678901", b"2", b"3", ends=False)
        answer = await ask(app, upload(CHUNKED), *body)
        assert answer.status == 413

    async def test_an_answer_that_has_started_is_not_replaced(self) -> None:
        app = BodyLimitMiddleware(stream_back, default=10)
        answer = await ask(app, upload(CHUNKED), *chunks(b"123456", b"78901"))
        assert answer.status == 200
        assert answer.body == b"123456"


class TestBodyTimeout:
    async def test_a_client_that_stops_sending_is_refused(self) -> None:
        app = BodyLimitMiddleware(
            echo_or_complain, default=10, silence=AT_ONCE, total=NEVER
        )
        answer = await ask(app, upload(length(b"5")), *chunks(b"1234", ends=False))
        assert answer.status == 408
        assert answer.problem["code"] == "request_timeout"
        assert answer.values(b"connection") == [b"close"]

    async def test_a_client_that_sends_too_slowly_is_refused(self) -> None:
        app = BodyLimitMiddleware(
            echo_or_complain, default=10, silence=NEVER, total=AT_ONCE
        )
        answer = await ask(app, upload(length(b"5")), *chunks(b"1234", ends=False))
        assert answer.status == 408

    async def test_waiting_for_the_disconnect_has_no_timeout(self) -> None:
        [body] = chunks(b"1234")
        messages = iter([body, DISCONNECT])
        seen: list[Message] = []

        async def receive() -> Message:
            message = next(messages)
            if message is DISCONNECT:  # a timeout of zero would end earlier
                for _ in range(5):
                    await asyncio.sleep(0)
            return message

        async def send(message: Message) -> None:
            raise AssertionError(f"the middleware sent {message}")

        async def listener(_: Scope, receive: Receive, __: Send) -> None:
            seen.extend([await receive(), await receive()])

        app = BodyLimitMiddleware(listener, default=9, silence=AT_ONCE, total=AT_ONCE)
        await app(upload(length(b"4")), receive, send)
        assert seen == [body, DISCONNECT]


class TestWithoutABody:
    @pytest.mark.parametrize("scope_type", ["websocket", "lifespan"])
    async def test_other_protocols_pass_unchanged(self, scope_type: str) -> None:
        assert await passed_on({"type": scope_type, "headers": []})

    async def test_a_request_without_a_body_passes_unchanged(self) -> None:
        assert await passed_on(http_scope())


async def passed_on(scope: Scope) -> bool:
    """Whether the application gets the `receive` and `send` of the server unchanged."""
    given: list[Callable[..., Any]] = []

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        given.extend([receive, send])

    async def receive() -> Message:
        return DISCONNECT

    async def send(_: Message) -> None: ...

    await BodyLimitMiddleware(app, default=10)(scope, receive, send)
    return given == [receive, send]
