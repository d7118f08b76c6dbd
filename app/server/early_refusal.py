"""Under overload, refuses reads before they are parsed.

Parsing a read and passing it through the middleware takes a third of the time that
serving it takes. A flood of refused reads would therefore leave little time for the
admitted ones.
"""

import re
from http import HTTPStatus
from typing import Any

import uuid_utils
from gunicorn.asgi.protocol import _get_cached_date_header as date_line

from app.api.middleware import request_context
from app.api.middleware.overload import BEGINNING, END, HEADERS
from app.api.middleware.request_context import FORWARDED_FOR, FORWARDED_PROTO
from app.api.middleware.security_headers import DEFAULTS, FIXED, HSTS
from app.core.admission import door
from app.core.client_address import ClientAddressResolver
from app.core.errors import Overloaded
from app.core.logging import log_request
from app.core.metrics import observe_request
from app.server.parser_errors import lines_of

STATUS = HTTPStatus.SERVICE_UNAVAILABLE
# The path cannot contain a question mark, so the pattern can match a target in only one
# way. If there were two ways, a long line without an end would take quadratic time.
LINE = re.compile(rb"GET (/[!->@-~]*)(?:\?[!-~]*)? HTTP/1\.1\r\n")
# Matches only headers that the parser accepts. In other bytes a proxy could find a
# Content-Length that this module does not find, for example after a bare line feed.
HEADER = re.compile(rb"(?:[!#-'*+.0-9A-Z^-z|~-]+:[\t -~\x80-\xff]*\r\n)*\r\n")
NEEDS_THE_PARSER = frozenset(
    b"content-length transfer-encoding expect upgrade connection origin".split()
)
# The other header fields have no effect on a refusal.
FIELDS = re.compile(
    rb"\r\n(%s):[ \t]*([^\r\n]*)"
    % b"|".join(
        [
            *NEEDS_THE_PARSER,
            b"x-request-id",
            FORWARDED_FOR,
            FORWARDED_PROTO,
        ]
    ),
    re.IGNORECASE,
)
END_OF_HEAD = b"\r\n\r\n"


HEAD = b"HTTP/1.1 %d %s\r\n%s" % (
    STATUS,
    STATUS.phrase.encode(),
    lines_of([*HEADERS, *DEFAULTS, *FIXED]),
)
ANSWER = b"%s%s%sx-request-id: %s\r\ncontent-length: %d\r\n\r\n%s"


class EarlyRefusal:
    """Reads only those parts of a request that the refusal and its log line need."""

    def __init__(
        self, resolver: ClientAddressResolver, *, cross_origin: bool = False
    ) -> None:
        self._resolver = resolver
        policy = b"cross-origin" if cross_origin else b"same-origin"
        headers = [(b"cross-origin-resource-policy", policy)]
        headers += [(b"vary", b"Origin")] if cross_origin else []
        self._head = HEAD + lines_of(headers)

    def answer(self, data: bytes, peer: Any) -> bytes | None:
        """Return the answer to a read that is refused, and log the request.

        None means that the parser must read the data: the read is admitted, or the data
        is not exactly one complete read, or a header needs the parser.
        """
        line = LINE.match(data)
        if line is None or data.find(END_OF_HEAD) != len(data) - len(END_OF_HEAD):
            return None
        path = line[1].decode()
        if not door.refuses(path) or not HEADER.fullmatch(data, line.end()):
            return None
        found: dict[bytes, list[bytes]] = {}
        for name, value in FIELDS.findall(data):
            found.setdefault(name.lower(), []).append(value)
        if not NEEDS_THE_PARSER.isdisjoint(found):
            return None
        given = request_context.REQUEST_ID.fullmatch(
            found.get(b"x-request-id", [b""])[-1]
        )
        request_id = given[0] if given else str(uuid_utils.uuid7()).encode()
        body = b"%s%s%s" % (BEGINNING, request_id, END)
        host = peer[0] if isinstance(peer, tuple) else None  # a Unix socket has none
        client_ip = self._resolver.resolve(host, found.get(FORWARDED_FOR, []))
        protocols = found.get(FORWARDED_PROTO, [])
        scheme = self._resolver.forwarded_scheme(host, "http", protocols)
        self._note(path, client_ip, request_id.decode(), len(body))
        hsts = lines_of([HSTS]) if scheme == "https" else b""
        return ANSWER % (self._head, hsts, date_line(), request_id, len(body), body)

    def _note(self, path: str, client_ip: str, request_id: str, size: int) -> None:
        door.count_refusal("read")
        observe_request("GET", request_context.UNMATCHED, STATUS, Overloaded.code, 0.0)
        fields = {
            "method": "GET",
            "path": path[: request_context.LONGEST_LOGGED_PATH],
            "route": request_context.UNMATCHED,
            "status_code": STATUS,
            "duration_ms": 0.0,
            "client_ip": client_ip,
            "request_id": request_id,
            "http_request_body_size": 0,
            "http_response_body_size": size,
            "db_queries": 0,
            "db_ms": 0.0,
            "error_type": Overloaded.code,
        }
        log_request("error", fields)
