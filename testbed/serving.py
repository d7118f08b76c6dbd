"""An application on a port of this process, for clients that need a real server."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send


class Later:
    """Serves an application whose settings must name the port."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


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
