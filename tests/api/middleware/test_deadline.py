import asyncio
from collections.abc import AsyncGenerator
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from app.api.middleware.deadline import DeadlineMiddleware
from app.core.config import Settings
from app.core.drain import drain
from app.core.errors import Overloaded
from app.main import create_application
from tests.api.middleware.exchange import ask, greet, http_scope
from tests.conftest import make_settings
from tests.support.people import open_client


def settings(**values: object) -> Settings:
    return make_settings(
        db_pool_timeout_seconds=0.01,
        db_connect_timeout_seconds=0.01,
        db_lock_timeout_seconds=0.01,
        db_statement_timeout_seconds=0.02,
        request_deadline_seconds=0.1,
        **values,
    )


def make_app() -> tuple[FastAPI, asyncio.Event]:
    app = create_application(settings())
    app.state.shared = SimpleNamespace(policies={})  # without rate limits
    cancelled = asyncio.Event()

    @app.post("/api/v1/hang")
    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    return app, cancelled


async def test_answers_504_and_cancels_a_slow_endpoint() -> None:
    app, cancelled = make_app()
    with capture_logs() as logs:
        async with open_client(app) as client:
            response = await client.post("/hang")

    assert response.status_code == 504
    [failed] = [line for line in logs if line["event"] == "http.failed"]
    assert failed["reason"] == "DeadlineExceeded"
    assert response.json()["code"] == "deadline_exceeded"
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert cancelled.is_set()


async def test_does_not_count_the_time_of_a_slow_client() -> None:
    """The deadline limits the service. The timeouts of the body limit the client."""
    app, _ = make_app()

    @app.post("/api/v1/echo")
    async def echo(data: dict[str, int]) -> dict[str, int]:
        return data

    async def slowly() -> AsyncGenerator[bytes]:
        yield b'{"a":'
        await asyncio.sleep(0.3)  # three deadlines
        yield b" 1}"

    async with open_client(app) as client:
        response = await client.post(
            "/echo", content=slowly(), headers={"Content-Type": "application/json"}
        )

    assert response.json() == {"a": 1}


async def test_the_deadline_of_a_path_applies_below_a_root_path() -> None:
    """Mutant: compare paths without removing the root path."""

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.3)  # three deadlines
        await greet(scope, receive, send)

    app = DeadlineMiddleware(slow, seconds=0.1, overrides={"/import": 100})
    answer = await ask(app, http_scope(root_path="/shop", path="/shop/import"))

    assert answer.status == 200


async def test_answers_504_even_if_the_cleanup_of_the_request_reads_the_body() -> None:
    """Mutant: start an expired deadline again, which raises RuntimeError."""

    async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await receive()

    answer = await ask(DeadlineMiddleware(stubborn, seconds=0.05), http_scope())

    assert answer.status == 504


async def test_the_end_of_a_drain_cuts_an_answer_that_has_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mutant: send a problem document after the begun answer."""
    monkeypatch.setattr(drain, "has_cut", False)  # restores it after the test
    begun, sent = asyncio.Event(), []

    async def begin(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        begun.set()
        await asyncio.Event().wait()

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message["type"])

    app = DeadlineMiddleware(begin, seconds=100)
    answer = asyncio.create_task(app(http_scope(), receive, send))
    await begun.wait()
    drain.cut()

    with pytest.raises(RuntimeError) as caught:
        await answer
    assert isinstance(caught.value.__cause__, Overloaded)
    assert sent == ["http.response.start"]
