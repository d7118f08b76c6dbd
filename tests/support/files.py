"""Product files: some to send, and a client that takes one at its own pace."""

import json
from asyncio import Event
from typing import Any

from fastapi import FastAPI
from starlette.types import Message, Scope

from tests.support.people import Client

MUG = {"sku": "MUG", "name": "Mug", "price": "12.50", "currency": "EUR"}
NDJSON = {"Content-Type": "application/x-ndjson"}


def rows(count: int, prefix: str, **fields: Any) -> bytes:
    row = {**MUG, **fields}
    lines = (json.dumps({**row, "sku": f"{prefix}{n}"}) for n in range(count))
    return "\n".join(lines).encode() + b"\n"


class Download:
    """An export whose client takes one chunk, and then nothing."""

    def __init__(self, app: FastAPI, editor: Client) -> None:
        self.app = app
        self.token = editor.headers["authorization"].encode()
        self.sent: list[Message] = []
        self.begun, self.resumed = Event(), Event()
        self.gone = False

    async def run(self) -> None:
        path = "/api/v1/products/export"
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"test"), (b"authorization", self.token)],
            "client": ("192.0.2.1", 1),
            "server": ("test", 80),
        }
        await self.app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        if message["type"] == "http.response.body":
            if self.gone:
                raise OSError("the client went")
            self.begun.set()
            await self.resumed.wait()
