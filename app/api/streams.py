"""Responses whose content is made while it is sent, at the pace of the client."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from app.api.middleware.deadline import DeadlineExceeded
from app.core.errors import Overloaded

HEADERS_ONLY = "app.headers_only"  # in the scope of a HEAD that a GET route answers


class StreamedResponse(StreamingResponse):
    """Sends what a generator yields, at the pace of the client, for at most `limit`.

    The status is sent with the first chunk, so that an earlier error still gets an
    answer of its own. The generator is closed as soon as the client leaves, because it
    holds a database connection.
    """

    def __init__(
        self,
        content: AsyncGenerator[bytes],
        slots: asyncio.Semaphore,
        limit: timedelta,
        *,
        patience: timedelta = timedelta(seconds=30),
        **options: Any,
    ) -> None:
        """`slots` limits how many answers stream at the same time.

        `patience` limits the time in which the client must accept one chunk.

        Sending raises `Overloaded` if all slots are taken, and `DeadlineExceeded` at
        the limit. If the answer has begun by then, the server cuts the connection, so
        that the client can tell that the content is incomplete.
        """
        super().__init__(content, **options)
        self.chunks = content
        self.slots = slots
        self.limit = limit.total_seconds()
        self.patience = patience.total_seconds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get(HEADERS_ONLY):
            # Without Content-Length, because it is not known (RFC 9110 §9.3.2).
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
        deadline = asyncio.timeout(self.limit)
        try:
            async with deadline, self.slots, aclosing(self.chunks):
                first = await anext(self.chunks)
                self.body_iterator = prepend(first, self.chunks)
                await super().stream_response(send_in_time)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise DeadlineExceeded(
                f"The client did not read the answer within {self.limit:g} seconds."
            ) from None


async def prepend(first: bytes, others: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async for chunk in others:
        yield chunk
