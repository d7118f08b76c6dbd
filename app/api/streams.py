"""Answers that are made while they are sent, at the pace of the client."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from app.core.errors import Overloaded

HEADERS_ONLY = "app.headers_only"  # in the scope of a HEAD that a GET answers


class StreamedResponse(StreamingResponse):
    """Holds what its content needs for as long as the client goes on reading.

    The status goes out with the first chunk, so that until then a refusal is possible.
    The generator is ended when the client goes, not when it is collected as garbage.
    """

    def __init__(
        self,
        content: AsyncGenerator[bytes],
        slots: asyncio.Semaphore,
        *,
        patience: timedelta = timedelta(seconds=30),
        **options: Any,
    ) -> None:
        """`slots` are for so many answers at once; a chunk is taken within `patience`.

        Raises, when it is sent:
            Overloaded: all slots are taken.
        """
        super().__init__(content, **options)
        self.chunks = content
        self.slots = slots
        self.patience = patience.total_seconds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get(HEADERS_ONLY):
            # Without a length, as nobody knows it (RFC 9110 §9.3.2).
            start = {"status": self.status_code, "headers": self.raw_headers}
            await send({"type": "http.response.start", **start})
            await send({"type": "http.response.body", "body": b""})
        else:
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(self.patience):
                    await send(message)
            except TimeoutError:
                raise ClientDisconnect from None

        if self.slots.locked():
            raise Overloaded
        async with self.slots, aclosing(self.chunks):
            first = await anext(self.chunks)
            self.body_iterator = prepend(first, self.chunks)
            await super().stream_response(send_in_time)


async def prepend(first: bytes, others: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async for chunk in others:
        yield chunk
