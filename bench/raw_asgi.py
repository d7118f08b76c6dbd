"""The raw program: an ASGI callable and an asyncpg pool, without any framework."""

import asyncpg

from bench.operations import PREFIX
from bench.pool import open_pool
from bench.raw_endpoint import Answer, Receive, Route, Scope, Send
from bench.registry import parts

ROUTES: dict[tuple[str, str], Route] = {
    key: route
    for part in parts("raw_asgi").values()
    for key, route in part.ROUTES.items()
}


class RawApplication:
    """Answers with the routes of all resources. `reset` is an option of the pool."""

    def __init__(self, *, reset: bool) -> None:
        self.reset = reset
        self.pool: asyncpg.Pool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.run(receive, send)
        status, body = await self.answer(scope, receive)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        start = {"type": "http.response.start", "status": status, "headers": headers}
        await send(start)
        return await send({"type": "http.response.body", "body": body})

    async def run(self, receive: Receive, send: Send) -> None:
        await receive()
        async with open_pool(reset=self.reset) as self.pool:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        method, path = scope["method"], scope["path"].removeprefix(PREFIX)
        route = ROUTES.get((method, path))
        if route is None:  # the path of a single row ends with its id
            route = ROUTES.get((method, path[: path.rfind("/") + 1]))
        return await route(self.pool, scope, receive) if route else (404, b"")


app = RawApplication(reset=True)
without_reset = RawApplication(reset=False)
