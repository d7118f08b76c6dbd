"""An application on a port of this process, for clients that need a real server."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send


class Later:
    """Serves an application that is made later, because its settings name the port."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None
        self.requests: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.app is None:  # a page sends requests until the browser closes it
            raise RuntimeError("The application has ended.")
        request = asyncio.ensure_future(self.app(scope, receive, send))
        self.requests.add(request)
        request.add_done_callback(self.requests.discard)
        await request

    async def leave(self) -> None:
        """Refuse further requests, and wait for those that are running.

        A request after the end of the lifespan would open connections again.
        """
        self.app = None
        await asyncio.gather(*self.requests, return_exceptions=True)


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncGenerator[int]:
    """Serve an application whose lifespan has begun, and yield the port."""
    config = uvicorn.Config(app, lifespan="off", log_config=None, proxy_headers=False)
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        running = asyncio.create_task(server.serve([listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await running
