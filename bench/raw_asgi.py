"""The limit: a bare ASGI callable, a bare asyncpg pool, and nothing optional."""

import asyncpg

from bench.comparison import DATABASE_URL, DB_POOL_SIZE
from bench.operations import PREFIX
from bench.raw_endpoint import Answer, Receive, Route, Scope, Send
from bench.registry import parts

ROUTES: dict[tuple[str, str], Route] = {
    key: route
    for part in parts("raw_asgi").values()
    for key, route in part.ROUTES.items()
}
pool: asyncpg.Pool


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    status, body = await answer(scope, receive)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    return await send({"type": "http.response.body", "body": body})


async def lifespan(receive: Receive, send: Send) -> None:
    global pool
    await receive()
    pool = await asyncpg.create_pool(
        DATABASE_URL, min_size=DB_POOL_SIZE, max_size=DB_POOL_SIZE, reset=keep
    )
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await pool.close()
    await send({"type": "lifespan.shutdown.complete"})


async def keep(_: object) -> None:
    """Spare the round trip that asyncpg resets a released connection with."""


async def answer(scope: Scope, receive: Receive) -> Answer:
    method, path = scope["method"], scope["path"].removeprefix(PREFIX)
    route = ROUTES.get((method, path))
    if route is None:  # the path of a single row ends with its id
        route = ROUTES.get((method, path[: path.rfind("/") + 1]))
    return await route(pool, scope, receive) if route else (404, b"")
