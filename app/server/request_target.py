"""The target of a request in absolute form, such as `GET http://host/path`."""

import re
from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]
ABSOLUTE = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE)


def origin_form(
    target: bytes, headers: Iterable[tuple[bytes, bytes]]
) -> tuple[bytes, Headers]:
    """Leave only the path and the query in the target, and put its host into `Host`.

    A server must accept an absolute target, and must use its host instead of the one
    that the client sends in `Host` (RFC 9112 §3.2.2). Any other target is unchanged.
    """
    match = ABSOLUTE.fullmatch(target)
    if match is None:
        return target, list(headers)
    host, rest = match.groups()
    path = rest if rest.startswith(b"/") else b"/" + rest
    return path, [(name, host if name == b"host" else value) for name, value in headers]
