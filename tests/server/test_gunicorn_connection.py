"""The connections of gunicorn's `asgi` worker, each alone in an event loop."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from unittest.mock import Mock
from weakref import ref

import pytest
from gunicorn.config import Config
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.admission import Admission, Limit, door
from app.server.gunicorn_connection import GunicornConnection
from tests.server.edge import head

AN_HOUR = 3600

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(
    application: ASGIApp, served: list[GunicornConnection]
) -> AsyncIterator[Client]:
    """Connect a client, and add the connection that serves it to `served`."""
    loop = asyncio.get_running_loop()
    config = Config()
    config.set("asgi_disconnect_grace_period", AN_HOUR)
    worker = SimpleNamespace(
        asgi=application,
        cfg=config,
        log=Mock(access_log_enabled=False),
        loop=loop,
        alive=True,
        max_requests=sys.maxsize,
        nr=0,
        nr_conns=0,
    )

    def serve() -> GunicornConnection:
        served.append(GunicornConnection(worker))
        return served[0]

    listener = await loop.create_server(serve, "127.0.0.1", 0)
    async with listener, asyncio.timeout(60):
        yield await asyncio.open_connection(*listener.sockets[0].getsockname())


async def test_a_client_that_leaves_between_requests_leaves_nothing() -> None:
    """Mutants: do not wake the task; let gunicorn's timer keep the connection."""
    served: list[GunicornConnection] = []
    async with connected(Response(), served) as (reader, writer):
        writer.write(head("GET", "/"))
        await reader.readuntil(b"\r\n\r\n")
        connection = ref(served[0])
        task = served.pop()._task
        assert task is not None
        writer.close()

        done, waiting = await asyncio.wait({task}, timeout=30)

    assert not waiting
    del task, done
    gc.collect()
    assert connection() is None


async def test_refuses_a_read_that_arrives_right_after_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mutant: parse it, because gunicorn has not yet ended the request before."""
    monkeypatch.setattr(door, "_reads", None)
    full = Limit(16)
    full.value = 0
    served: list[GunicornConnection] = []
    calls = 0

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal calls
        calls += 1
        monkeypatch.setattr(door, "_reads", Admission(full))
        await Response("here")(scope, receive, send)
        served[0].data_received(head("GET", "/"))

    async with connected(application, served) as (reader, writer):
        writer.write(head("GET", "/"))
        await reader.readuntil(b"here")
        answer = await reader.readuntil(b"\r\n")
        writer.close()

    assert answer == b"HTTP/1.1 503 Service Unavailable\r\n"
    assert calls == 1
