"""Gives every request an id, and writes one log line about it."""

import asyncio
import random
import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import KW_ONLY, dataclass
from http import HTTPStatus

import uuid_utils
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.middleware.paths import own_path
from app.core.client_address import ClientAddressResolver
from app.core.logging import log_request
from app.core.metrics import observe_request, process
from app.core.recent import Recent, RecentRequests
from app.core.request_context import RequestContext, serving

UNMATCHED = "__unmatched__"
SLOW_MS = 1000
# The service refused the client, or stopped waiting for it. If many requests end like
# this, an operator should look for the cause.
WARNINGS = {
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
}
CLIENT_CLOSED_REQUEST = 499  # as in nginx: the client left before the answer
LONGEST_LOGGED_PATH = 1024
LONGEST_USER_AGENT = 256
FORWARDED_FOR, FORWARDED_PROTO = b"x-forwarded-for", b"x-forwarded-proto"

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
# W3C Trace Context §3.2: the trace and its flags. An id of zeros is not valid.
TRACEPARENT = re.compile(
    rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})"
)


@dataclass
class RequestContextMiddleware:
    """The outermost middleware. Everything inside it can use the id of the request."""

    app: ASGIApp
    _: KW_ONLY
    resolver: ClientAddressResolver
    unlogged_paths: Collection[str] = ()
    sample: float = 1.0
    recent: RecentRequests | None = None
    logs_statements: bool = False
    # Called with the context of each request that FastAPI traces.
    trace: Callable[[RequestContext], None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]  # read now: a mounted application changes it
        is_logged = own_path(scope) not in self.unlogged_paths
        context = self._identify(scope)
        if self.recent is not None and is_logged:
            context.statements, context.events = [], []
        elif self.logs_statements:
            context.statements = []
        if self.trace is not None and scope.get("fastapi.telemetry") is not None:
            self.trace(context)
        exchange = _Exchange(context, scope, receive, send)
        process.active += is_logged
        with serving(context):
            try:
                await self.app(scope, exchange.receive, exchange.send)
            except asyncio.CancelledError:
                exchange.abandoned = True
                raise
            finally:
                if is_logged:
                    process.active -= 1
                    self._log_request(scope, path, context, exchange)

    def _identify(self, scope: Scope) -> RequestContext:
        """Read the id of the request and the address of the client.

        Write the address and the scheme that trusted proxies report into the scope.
        """
        started = time.monotonic()
        headers = dict(scope["headers"])
        client = scope.get("client")
        peer = client[0] if client else None
        address = self.resolver.resolve(peer, _all(FORWARDED_FOR, headers, scope))
        if address != peer:
            scope["client"] = (address, 0)  # the port was the proxy's
        scope["scheme"] = self.resolver.forwarded_scheme(
            peer, scope.get("scheme", "http"), _all(FORWARDED_PROTO, headers, scope)
        )
        user_agent: bytes = headers.get(b"user-agent", b"")
        given = REQUEST_ID.fullmatch(headers.get(b"x-request-id", b""))
        context = RequestContext(
            request_id=given[0].decode() if given else str(uuid_utils.uuid7()),
            client_address=address,
            started=started,
            user_agent=user_agent[:LONGEST_USER_AGENT].decode("latin-1") or None,
        )
        trace = TRACEPARENT.fullmatch(headers.get(b"traceparent", b""))
        if trace and self.resolver.trusts(peer):
            context.log_fields["trace_id"] = trace[1].decode()
        return context

    def _log_request(
        self, scope: Scope, path: str, context: RequestContext, exchange: "_Exchange"
    ) -> None:
        status, route = exchange.outcome, route_template(scope)
        seconds = time.monotonic() - context.started
        error_type = context.log_fields.get("error_type", "")
        observe_request(scope["method"], route, status, error_type, seconds)
        duration = round(seconds * 1000, 3)
        fields: dict[str, object] = {
            "method": scope["method"],
            "path": _printable(path[:LONGEST_LOGGED_PATH]),
            "route": route,
            "status_code": status,
            "duration_ms": duration,
            "client_ip": context.client_address,
            "request_id": context.request_id,
            "http_request_body_size": exchange.received,
            "http_response_body_size": exchange.sent,
            "db_queries": context.db_queries,
            "db_ms": round(context.db_seconds * 1000, 3),
        }
        if context.connection_seconds:
            fields["db_wait_ms"] = round(context.connection_seconds * 1000, 3)
        if context.redis_calls:
            fields["redis_calls"] = context.redis_calls
            fields["redis_ms"] = round(context.redis_seconds * 1000, 3)
        if self.recent is not None:
            self.recent.appendleft(Recent(fields | context.log_fields, context))
        if self.sample < 1:
            kept = status >= HTTPStatus.BAD_REQUEST or duration > SLOW_MS
            fields["sample_rate"] = 1 if kept else self.sample
            if not kept and random.random() >= self.sample:  # noqa: S311 - no secret
                return
        if self.logs_statements:
            fields["db_statements"] = [
                {"sql": each.text, "ms": each.milliseconds, "rows": each.rows}
                for each in context.statements or ()
            ]
        fields |= context.log_fields
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log_request("error", fields)
        elif status in WARNINGS:
            log_request("warning", fields)
        else:
            log_request("info", fields)


@dataclass(slots=True)
class _Exchange:
    """Watches one request, to know how it ended."""

    _context: RequestContext
    _scope: Scope
    _receive: Receive
    _send: Send
    abandoned: bool = False
    status: int | None = None
    received: int = 0  # bytes of the body
    sent: int = 0

    @property
    def outcome(self) -> int:
        if self.status is not None:
            return self.status
        # When the application does not answer, the server sends a 500.
        return CLIENT_CLOSED_REQUEST if self.abandoned else 500

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.abandoned = True
        else:
            self.received += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if not self.abandoned:
                self.status = message["status"]
            if self._context.trace is not None:
                self._context.trace.answer(route_template(self._scope))
            # A copy: the application may send the same message to other clients.
            headers = [
                *message.get("headers", ()),
                *self._context.answer_headers,
                (b"x-request-id", self._context.request_id.encode()),
            ]
            message = {**message, "headers": headers}
        elif self._scope["method"] == "HEAD":
            # A refusal by a middleware has a body even for HEAD. It is removed here,
            # because gunicorn logs a warning for each body that it must drop.
            message = {**message, "body": b""}
        else:
            self.sent += len(message.get("body", b""))
        await self._send(message)


def _all(name: bytes, headers: Mapping[bytes, bytes], scope: Scope) -> list[bytes]:
    """List the values of all lines of a header."""
    if name not in headers:
        return []
    return [value for line, value in scope["headers"] if line == name]


def route_template(scope: Scope) -> str:
    """Return the path as the route declares it, such as `/users/{user_id}`."""
    prefix: str = scope.get("root_path", "").rstrip("/")
    # FastAPI stores the route without the prefixes of the routers that include it. The
    # effective context has these prefixes.
    included = scope.get("fastapi", {}).get("effective_route_context")
    for declared in (included, scope.get("route")):
        if template := getattr(declared, "path_format", ""):
            return f"{prefix}{template}"
    if "app_root_path" in scope:  # a mount sets this and has no template
        return prefix or "/"
    # FastAPI stores no template for a plain Starlette route. Without parameters its
    # template is its path.
    matched = "endpoint" in scope and not scope.get("path_params")
    return scope["path"] if matched else UNMATCHED


def _printable(text: str) -> str:
    """Escape text that would start a new line in the console log."""
    return text if text.isprintable() else ascii(text)[1:-1]
