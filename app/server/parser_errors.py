"""Answers requests that the server's parser refuses before the application runs."""

import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import uuid_utils

from app.api.middleware.security_headers import DEFAULTS, FIXED
from app.api.middleware.strict_http import HeadersTooLarge, RequestMalformed, UriTooLong
from app.api.middleware.unhandled_errors import InternalError
from app.api.problems import PROBLEM_JSON, problem_body
from app.core.logging import get_logger
from app.core.request_context import RequestContext, serving

log = get_logger(__name__)


# A parser can choose a status that is not in this table, such as 501 for an unknown
# transfer coding. The client then gets a 400.
CODES = {
    400: RequestMalformed.code,
    414: UriTooLong.code,
    426: RequestMalformed.code,
    431: HeadersTooLarge.code,
    500: InternalError.code,
}


def answer(
    peer: Any, status: int = 400, extra: Iterable[tuple[str, str]] = ()
) -> bytes:
    """Write a complete answer with `Connection: close`.

    `peer` is the other end of the socket. If this is a proxy, the client is not known,
    because the headers were not parsed.
    """
    known = HTTPStatus(status if status in CODES else 400)
    request_id = str(uuid_utils.uuid7())
    with serving(RequestContext(request_id, "", time.monotonic())):
        # The parser's own message would quote the request.
        detail = known.description or known.phrase
        body = problem_body(known, CODES[known], detail)
        client_ip = peer[0] if isinstance(peer, tuple) else ""  # a Unix socket has none
        log.info("http.malformed", status_code=known, client_ip=client_ip)
    headers = [
        (b"content-type", PROBLEM_JSON.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        (b"x-request-id", request_id.encode()),
        *((name.encode(), value.encode()) for name, value in extra),
        *DEFAULTS,
        *FIXED,
        (b"cross-origin-resource-policy", b"same-origin"),
    ]
    start = b"HTTP/1.1 %d %s\r\n" % (known, known.phrase.encode())
    return b"%s%s\r\n%s" % (start, lines_of(headers), body)


def lines_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%s: %s\r\n" % header for header in headers)
