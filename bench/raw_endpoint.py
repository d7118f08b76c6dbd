"""The form of an endpoint in the raw ASGI program, and how it reads and writes JSON."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import orjson

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Answer = tuple[int, bytes]
Route = Callable[[asyncpg.Pool, Scope, Receive], Awaitable[Answer]]


async def read_body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message["body"]
    return body + await read_body(receive) if message["more_body"] else body


def dumps(value: object) -> bytes:
    return orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z)
