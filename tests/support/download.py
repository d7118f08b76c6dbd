"""A client that reads a streamed answer at its own pace."""

from asyncio import Event

from fastapi import FastAPI
from starlette.types import Message, Scope

from tests.support.people import Client


class Download:
    """Reads one chunk, and then nothing until the test sets `resumed`."""

    def __init__(self, app: FastAPI, client: Client, path: str) -> None:
        self.app = app
        self.path = f"/api/v1{path}"
        self.token = client.headers["authorization"].encode()
        self.sent: list[Message] = []
        self.begun, self.resumed = Event(), Event()
        self.gone = False

    async def run(self) -> None:
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
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
