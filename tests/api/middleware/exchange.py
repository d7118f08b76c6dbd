"""Sends one request to an ASGI application and collects the answer."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = Sequence[tuple[bytes, bytes]]

HOST = (b"host", b"api.example.com")
DISCONNECT: Message = {"type": "http.disconnect"}


@dataclass
class Answer:
    messages: list[Message] = field(default_factory=list)

    @property
    def start(self) -> Message:
        [start] = [m for m in self.messages if m["type"] == "http.response.start"]
        return start

    @property
    def status(self) -> int:
        status: int = self.start["status"]
        return status

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def problem(self) -> Any:
        assert self.values(b"content-type") == [b"application/problem+json"]
        return json.loads(self.body)

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.start["headers"] if key == name]


def http_scope(
    *,
    method: str = "GET",
    path: str = "/",
    query: bytes = b"",
    headers: Headers = (HOST,),
    **others: Any,
) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": list(headers),
        "client": ("192.0.2.7", 50000),
        "server": ("127.0.0.1", 8000),
    } | others


def chunks(*bodies: bytes, ends: bool = True) -> list[Message]:
    """Return a request body as messages. Without `ends`, the last announces more."""
    last = len(bodies) - 1 if ends else len(bodies)
    return [
        {"type": "http.request", "body": body, "more_body": index < last}
        for index, body in enumerate(bodies)
    ]


def receiving(*messages: Message) -> Receive:
    """Return a `receive` for these messages. Afterwards it waits for ever."""
    remaining = iter(messages)

    async def receive() -> Message:
        for message in remaining:
            return message
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    return receive


async def ask(app: ASGIApp, scope: Scope, *messages: Message) -> Answer:
    """Send the request to `app`. Without `messages`, the request has no body."""
    answer = Answer()

    async def send(message: Message) -> None:
        answer.messages.append(message)

    await app(scope, receiving(*(messages or chunks(b""))), send)
    return answer


async def greet(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 200 without reading the body."""
    start = {"type": "http.response.start", "status": 200, "headers": []}
    await send(start)
    await send({"type": "http.response.body", "body": b"hello"})
