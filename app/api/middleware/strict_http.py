"""Refuses requests that servers accept, but that no correct client sends."""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from functools import lru_cache
from http import HTTPStatus
from itertools import chain

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.middleware.paths import own_path
from app.api.problems import refusal_response
from app.core.errors import AppError, BadRequest

MAX_HEADERS = 100
MAX_HEADER_BYTES = 32 * 1024
MAX_COOKIE_BYTES = 8 * 1024
MAX_PATH_BYTES = 2 * 1024
MAX_QUERY_BYTES = 4 * 1024
LONGEST_HOST = 255

_SINGLE = frozenset(
    {
        b"authorization",
        b"content-length",
        b"content-type",
        b"host",
        b"idempotency-key",
        b"transfer-encoding",
    }
)
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
# A proxy can decode these sequences before it compares the path with its rules.
_AMBIGUOUS = re.compile(rb"%(?:2[Ff]|5[Cc])|\\|/(?:\.|%2[Ee]){1,2}(?:/|$)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ENCODED_CONTROL = re.compile(rb"[\x00-\x1f\x7f]|%(?:[01][0-9A-Fa-f]|7[Ff])")


class RequestMalformed(BadRequest):
    """The bytes are not valid HTTP, so no request reached the application."""

    code = "request_malformed"


class HostInvalid(BadRequest):
    """The Host header is missing, repeated or malformed."""

    code = "host_invalid"
    detail = "The Host header is missing, repeated or malformed."


class HostNotAllowed(AppError):
    """The Host header names a host that this service does not serve."""

    status = HTTPStatus.MISDIRECTED_REQUEST
    code = "host_not_allowed"
    detail = "Unknown Host header."


class HeaderDuplicated(BadRequest):
    """A header that must appear at most once is repeated."""

    code = "header_duplicated"


class HeadersTooLarge(AppError):
    """The request has too many headers, or its headers are too long."""

    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    code = "headers_too_large"


class UriTooLong(AppError):
    """The path or the query is too long."""

    status = HTTPStatus.REQUEST_URI_TOO_LONG
    code = "uri_too_long"


class TransferEncodingInvalid(BadRequest):
    """The header `Transfer-Encoding` has a value other than `chunked`."""

    code = "transfer_encoding_invalid"


class PathInvalid(BadRequest):
    """The path or the query contains control characters.

    A path is also refused if it contains characters that a proxy and this service can
    read differently, such as an encoded slash.
    """

    code = "path_invalid"


class StrictHttpMiddleware:
    """Passes on only requests that every proxy and server reads in the same way."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed_hosts: Collection[str],
        any_host_paths: Collection[str] = (),
    ) -> None:
        """`any_host_paths` are for health checks. These paths accept any host.

        In HTTP/1.0 they also accept a request without a host.
        """
        self.app = app
        self._any_host_paths = frozenset(any_host_paths)
        names = {name.lower() for name in allowed_hosts}
        self._any_host = not names or "*" in names
        self._hosts = frozenset(name for name in names if not name.startswith("*."))
        self._domains = tuple(name[1:] for name in names if name.startswith("*."))
        # Remember results, because most requests name the same few hosts.
        self._judge_host = lru_cache(maxsize=256)(self._judge)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # the application has no WebSocket route
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
            return
        refusal = None
        if scope["type"] == "http":
            refusal = _target_refusal(scope) or self._header_refusal(scope)
        if refusal is None:
            await self.app(scope, receive, send)
        else:
            await refusal_response(refusal)(scope, receive, send)

    def _header_refusal(self, scope: Scope) -> AppError | None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        if len(headers) > MAX_HEADERS:
            return HeadersTooLarge(
                f"The request must not have more than {MAX_HEADERS} headers."
            )
        distinct = dict(headers)
        if len(distinct) < len(headers):
            for name, times in Counter(name for name, _ in headers).items():
                if times > 1 and name in _SINGLE:
                    return _duplicated(name)
        if sum(map(len, chain.from_iterable(headers))) > MAX_HEADER_BYTES:
            return HeadersTooLarge(
                f"The headers must not exceed {MAX_HEADER_BYTES} bytes."
            )
        if b"cookie" in distinct and _cookie_size(headers) > MAX_COOKIE_BYTES:
            return HeadersTooLarge(
                f"The cookies must not exceed {MAX_COOKIE_BYTES} bytes."
            )
        if distinct.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            # The server would pass on the body as it is, for example compressed.
            return TransferEncodingInvalid(
                "Send the body with a Content-Length, or with the Transfer-Encoding "
                "`chunked` alone."
            )
        host = distinct.get(b"host", b"")
        if len(host) > LONGEST_HOST:
            return HostInvalid()
        refusal = self._judge_host(host)
        if refusal is None:
            return None
        named = b"host" in distinct or scope["http_version"] != "1.0"
        may_be_any = refusal is HostNotAllowed or not named
        if may_be_any and own_path(scope) in self._any_host_paths:
            return None
        return refusal()

    def _judge(self, value: bytes) -> type[AppError] | None:
        match = _HOST.fullmatch(value.decode("latin-1"))
        if match is None:
            return HostInvalid
        host = match[1].lower().removesuffix(".")
        if self._any_host or host in self._hosts or host.endswith(self._domains):
            return None
        return HostNotAllowed


def _target_refusal(scope: Scope) -> AppError | None:
    path: str = scope["path"]
    query: bytes = scope["query_string"]
    raw_path: bytes = scope.get("raw_path") or path.encode()
    if len(raw_path) > MAX_PATH_BYTES:
        return UriTooLong(f"The path must not exceed {MAX_PATH_BYTES} bytes.")
    if len(query) > MAX_QUERY_BYTES:
        return UriTooLong(f"The query must not exceed {MAX_QUERY_BYTES} bytes.")
    if _AMBIGUOUS.search(raw_path):
        return PathInvalid(
            "The path must not contain a backslash, an encoded slash or a dot segment."
        )
    # The server decodes the path but not the query.
    if _CONTROL.search(path) or (query and _ENCODED_CONTROL.search(query)):
        return PathInvalid(
            "The path and the query must not contain control characters."
        )
    return None


def _cookie_size(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Add up the parts: HTTP/2 may split the header (RFC 9113 §8.2.3)."""
    return sum(len(value) for name, value in headers if name == b"cookie")


def _duplicated(name: bytes) -> AppError:
    if name == b"host":
        return HostInvalid()
    return HeaderDuplicated(f"Send the {name.decode().title()} header only once.")
