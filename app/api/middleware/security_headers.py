"""Adds security headers to every answer, also to the answers of a middleware."""

from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A route can send its own values of these headers.
DEFAULTS = (
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; "
        b"object-src 'none'",
    ),
)
FIXED = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"permissions-policy",
        b"camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
)
HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


class SecurityHeadersMiddleware:
    """Adds the headers and removes `Server`."""

    def __init__(self, app: ASGIApp, *, cross_origin: bool = False) -> None:
        self.app = app
        policy = b"cross-origin" if cross_origin else b"same-origin"
        self._plain = (*FIXED, (b"cross-origin-resource-policy", policy))
        self._secure = (*self._plain, HSTS)
        self._replaced = frozenset({b"server", *(name for name, _ in self._secure)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # RFC 6797 §7.2 forbids HSTS over plain HTTP.
        fixed = self._secure if scope.get("scheme") == "https" else self._plain

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = self._complete(message.get("headers", ()), fixed)
                message = {**message, "headers": headers}
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _complete(
        self,
        headers: Iterable[tuple[bytes, bytes]],
        fixed: tuple[tuple[bytes, bytes], ...],
    ) -> list[tuple[bytes, bytes]]:
        kept = [header for header in headers if header[0] not in self._replaced]
        present = {name for name, _ in kept}
        kept += [default for default in DEFAULTS if default[0] not in present]
        kept += fixed
        return kept
