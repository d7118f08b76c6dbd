"""Refuse what HTTP servers let through and no honest client sends."""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from functools import lru_cache
from http import HTTPStatus
from itertools import chain

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.middleware.paths import own_path
from app.api.problems import send_problem
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
    }
)
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ENCODED_CONTROL = re.compile(rb"[\x00-\x1f\x7f]|%(?:[01][0-9A-Fa-f]|7[Ff])")


class HostInvalid(BadRequest):
    """The request names no host, more than one, or something that is none."""

    code = "host_invalid"


class HostNotAllowed(AppError):
    """The request is for a host that this service does not answer for."""

    status = HTTPStatus.MISDIRECTED_REQUEST
    code = "host_not_allowed"


class HeaderDuplicated(BadRequest):
    """A header that can mean only one thing is there twice."""

    code = "header_duplicated"


class HeadersTooLarge(AppError):
    """The request has too many headers, or too long ones."""

    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    code = "headers_too_large"


class UriTooLong(AppError):
    """The path or the query is too long."""

    status = HTTPStatus.REQUEST_URI_TOO_LONG
    code = "uri_too_long"


class PathInvalid(BadRequest):
    """The path or the query holds control characters."""

    code = "path_invalid"


class HttpGuardMiddleware:
    """Passes on only requests that every parser on the way reads alike."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed_hosts: Collection[str],
        any_host_paths: Collection[str] = (),
    ) -> None:
        """Let `any_host_paths` be asked for by address, or without one in HTTP/1.0."""
        self.app = app
        self._any_host_paths = frozenset(any_host_paths)
        names = {name.lower() for name in allowed_hosts}
        self._any_host = not names or "*" in names
        self._hosts = frozenset(name for name in names if not name.startswith("*."))
        self._domains = tuple(name[1:] for name in names if name.startswith("*."))
        # Clients name few hosts, and name them in every request.
        self._judge_host = lru_cache(maxsize=256)(self._judge)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # nothing here speaks it
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
            return
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self.app(scope, receive, send)
        else:
            await send_problem(scope, receive, send, refusal)

    def _refusal(self, scope: Scope) -> AppError | None:
        return _target_refusal(scope) or self._header_refusal(scope)

    def _header_refusal(self, scope: Scope) -> AppError | None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        if len(headers) > MAX_HEADERS:
            return HeadersTooLarge(f"At most {MAX_HEADERS} headers are accepted.")
        distinct = dict(headers)
        if len(distinct) < len(headers):
            for name, times in Counter(name for name, _ in headers).items():
                if times > 1 and name in _SINGLE:
                    return _duplicated(name)
        if sum(map(len, chain.from_iterable(headers))) > MAX_HEADER_BYTES:
            return HeadersTooLarge("The headers are too long.")
        if b"cookie" in distinct and _cookie_size(headers) > MAX_COOKIE_BYTES:
            return HeadersTooLarge("The cookies are too long.")
        host = distinct.get(b"host", b"")
        if len(host) > LONGEST_HOST:
            return HostInvalid("The Host header is not valid.")
        refusal = self._judge_host(host)
        if refusal is None:
            return None
        named = b"host" in distinct or scope["http_version"] != "1.0"
        may_be_any = refusal is HostNotAllowed or not named
        if may_be_any and own_path(scope) in self._any_host_paths:
            return None
        return refusal("The Host header names no host served here.")

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
    if len(scope.get("raw_path") or path.encode()) > MAX_PATH_BYTES:
        return UriTooLong(f"The path may have {MAX_PATH_BYTES} bytes.")
    if len(query) > MAX_QUERY_BYTES:
        return UriTooLong(f"The query may have {MAX_QUERY_BYTES} bytes.")
    # The server has decoded the path, and left the query as it was sent.
    if _CONTROL.search(path) or (query and _ENCODED_CONTROL.search(query)):
        return PathInvalid("The path or the query holds control characters.")
    return None


def _cookie_size(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Add up the parts into which HTTP/2 may split it (RFC 9113 §8.2.3)."""
    return sum(len(value) for name, value in headers if name == b"cookie")


def _duplicated(name: bytes) -> AppError:
    if name == b"host":
        return HostInvalid("There must be exactly one Host header.")
    return HeaderDuplicated(f"The {name.decode().title()} header is there twice.")
