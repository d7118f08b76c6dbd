"""A closed connection leaves nothing in the process of gunicorn's `asgi` worker."""

import asyncio
import gc
import sys
from types import SimpleNamespace
from unittest.mock import Mock
from weakref import ref

from gunicorn.config import Config
from starlette.responses import Response

from app.server.gunicorn_connection import GunicornConnection
from tests.server.edge import head

AN_HOUR = 3600


async def test_a_client_that_leaves_between_requests_leaves_nothing() -> None:
    """Mutants: do not wake the task; let gunicorn's timer keep the connection."""
    loop = asyncio.get_running_loop()
    config = Config()
    config.set("asgi_disconnect_grace_period", AN_HOUR)
    worker = SimpleNamespace(
        asgi=Response(),
        cfg=config,
        log=Mock(access_log_enabled=False),
        loop=loop,
        alive=True,
        max_requests=sys.maxsize,
        nr=0,
        nr_conns=0,
    )
    served: list[GunicornConnection] = []

    def serve() -> GunicornConnection:
        served.append(GunicornConnection(worker))
        return served[0]

    listener = await loop.create_server(serve, "127.0.0.1", 0)
    async with listener, asyncio.timeout(60):
        address = listener.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*address)
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
