"""Answers that are made while they are sent, and not made when nobody reads them."""

from contextlib import aclosing
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

HEADERS_ONLY = "app.headers_only"  # in the scope of a HEAD that a GET answers


class StreamedResponse(StreamingResponse):
    """Ends its generator when the client goes, not when it is collected as garbage."""

    def __init__(self, content: Any, **options: Any) -> None:
        super().__init__(content, **options)
        self.generator = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get(HEADERS_ONLY):
            # Without a length, as nobody knows it (RFC 9110 §9.3.2).
            start = {"status": self.status_code, "headers": self.raw_headers}
            await send({"type": "http.response.start", **start})
            await send({"type": "http.response.body", "body": b""})
        else:
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self.generator):
            await super().stream_response(send)
