"""Serves the metrics on an additional port, so that no load balancer exposes them."""

import asyncio
import hmac
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress

from app.core.settings.observation import ObservationSettings

# Raised if the client left, is too slow, or sends a head that is too long or not HTTP.
UNREADABLE = (OSError, EOFError, asyncio.LimitOverrunError, ValueError)
CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"
REQUEST_SECONDS = 5
Scrape = Callable[[], Awaitable[bytes]]


def is_allowed(settings: ObservationSettings, authorization: str) -> bool:
    """Whether a client that sends this header can read the metrics."""
    if settings.metrics_token is None:
        return settings.serves_metrics
    expected = f"Bearer {settings.metrics_token.get_secret_value()}"
    return hmac.compare_digest(authorization.encode(), expected.encode())


@asynccontextmanager
async def serving_metrics(
    settings: ObservationSettings, scrape: Scrape, *, shared: bool = False
) -> AsyncGenerator[None]:
    """Listen until the block ends. `shared`: other workers listen on the same port."""
    if settings.metrics_port is None:
        yield
        return

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with closing(writer), suppress(*UNREADABLE):
            async with asyncio.timeout(REQUEST_SECONDS):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                writer.write(await _answer(settings, scrape, head))
                await writer.drain()

    # Only development allows a missing token. Then listen only for this machine.
    host = "127.0.0.1" if settings.metrics_token is None else None
    server = await asyncio.start_server(
        answer, host, settings.metrics_port, reuse_port=shared
    )
    async with server:
        yield


async def _answer(settings: ObservationSettings, scrape: Scrape, head: str) -> bytes:
    request, *lines = head.split("\r\n")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    if not request.startswith("GET /metrics"):
        return _response("404 Not Found", b"")
    if not is_allowed(settings, headers.get("authorization", "")):
        return _response("401 Unauthorized", b"")
    return _response("200 OK", await scrape())


def _response(status: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
