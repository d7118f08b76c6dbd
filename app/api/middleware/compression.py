"""Compresses answers that are large enough to become smaller."""

from starlette.middleware.gzip import GZipMiddleware, GZipResponder, IdentityResponder
from starlette.types import ASGIApp, Message, Receive, Scope, Send

JSON = b"application/json"
VARY = (b"vary", b"Accept-Encoding")


class CompressionMiddleware(GZipMiddleware):
    """Starlette's middleware, but without work for answers that are not compressed."""

    def __init__(self, app: ASGIApp, *, minimum_size: int) -> None:
        super().__init__(app, minimum_size, compresslevel=5)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        forward: Send | None = None

        async def send_compressed(message: Message) -> None:
            nonlocal forward
            if forward is None:
                forward = self._choose(message, scope, send)
            await forward(message)

        await self.app(scope, receive, send_compressed)

    def _choose(self, start: Message, scope: Scope, send: Send) -> Send:
        """Return the function that sends the answer that begins with `start`."""
        headers = dict(start.get("headers", ()))
        length = headers.get(b"content-length")
        if length is not None and int(length) < self.minimum_size:
            return send
        responder: IdentityResponder
        excluded = self.exclude_content_types
        if b"gzip" in dict(scope["headers"]).get(b"accept-encoding", b""):
            responder = GZipResponder(
                self.app,
                self.minimum_size,
                self.compresslevel,
                exclude_content_types=excluded,
            )
        elif length is not None and headers.get(b"content-type") == JSON:
            start["headers"] = [*start["headers"], VARY]
            return send
        else:
            responder = IdentityResponder(
                self.app, self.minimum_size, exclude_content_types=excluded
            )
        responder.send = send
        return responder.send_with_compression
