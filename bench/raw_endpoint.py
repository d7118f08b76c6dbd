"""The form of an endpoint in the raw ASGI program, and how it reads and writes JSON."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import asyncpg
import orjson

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Answer = tuple[int, bytes]
Route = Callable[[asyncpg.Pool, Scope, Receive], Awaitable[Answer]]


async def read_body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message["body"]
    return body + await read_body(receive) if message["more_body"] else body


def dumps(value: object) -> bytes:
    return orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z)


def is_known(scope: Scope, version: int) -> bool:
    """Return whether the client has this version, as `If-None-Match` says."""
    tag = b'"v%d"' % version
    return any(n == b"if-none-match" and v == tag for n, v in scope["headers"])
