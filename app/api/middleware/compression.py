"""Compress answers that are large enough to become smaller."""

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware, GZipResponder, IdentityResponder
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class CompressionMiddleware(GZipMiddleware):
    """Starlette's middleware, which creates no compressor for small answers."""

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
                small = self._is_small(message)
                forward = send if small else self._compressing(scope, send)
            await forward(message)

        await self.app(scope, receive, send_compressed)

    def _is_small(self, start: Message) -> bool:
        for name, value in start.get("headers", ()):
            if name == b"content-length":
                return int(value) < self.minimum_size
        return False

    def _compressing(self, scope: Scope, send: Send) -> Send:
        responder: IdentityResponder
        excluded = self.exclude_content_types
        if "gzip" in Headers(scope=scope).get("accept-encoding", ""):
            responder = GZipResponder(
                self.app,
                self.minimum_size,
                self.compresslevel,
                exclude_content_types=excluded,
            )
        else:
            responder = IdentityResponder(
                self.app, self.minimum_size, exclude_content_types=excluded
            )
        responder.send = send
        return responder.send_with_compression
