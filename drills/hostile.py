"""Malformed and hostile requests, as bytes: the service must refuse each of them.

No answer may be a 5xx, except a 501 for an unknown method.
"""

import asyncio
import ssl
from urllib.parse import urlsplit

from drills.timeline import Outcome

LOGIN = "/api/v1/auth/login"
SECONDS = 30.0
LARGE = 2 * 1024 * 1024
CHUNK = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", *lines, "", "")).encode("latin-1")


def requests(host: str) -> dict[str, tuple[bytes, set[int]]]:
    """Return the requests by their names, each with the statuses that are right."""
    at, json = f"Host: {host}", "Content-Type: application/json"
    chunked = "Transfer-Encoding: chunked"

    def post(body: bytes, *lines: str) -> bytes:
        return head("POST", LOGIN, at, *lines, f"Content-Length: {len(body)}") + body

    return {
        "2 MiB declared": (
            head("POST", LOGIN, at, json, f"Content-Length: {LARGE}"),
            {413},
        ),
        "2 MiB in chunks": (
            head("POST", LOGIN, at, json, chunked) + CHUNK * (LARGE // 0x10000),
            {413},
        ),
        "two lengths": (
            head("POST", LOGIN, at, json, "Content-Length: 2", "Content-Length: 3")
            + b"{}{",
            {400},
        ),
        "length and chunks": (
            head("POST", LOGIN, at, json, "Content-Length: 2", chunked) + b"0\r\n\r\n",
            {400},
        ),
        "no Host": (head("GET", LOGIN), {400}),
        "two Hosts": (head("GET", LOGIN, at, "Host: example.net"), {400}),
        "NUL in a header": (head("GET", LOGIN, at, "X-A: a\0b"), {400}),
        "a long header": (head("GET", LOGIN, at, f"X-A: {'a' * 70_000}"), {400, 431}),
        "a long path": (head("GET", "/" + "a" * 70_000, at), {400, 414, 431}),
        "no JSON": (post(b"{", json), {400}),
        "deep JSON": (post(b"[" * 50_000, json), {400}),
        "a repeated member": (post(b'{"email":"a","email":"b"}', json), {400}),
        "NaN": (post(b'{"email":NaN}', json), {400}),
        "a lone surrogate": (post(b'{"email":"\\ud800"}', json), {400, 422}),
        "another type": (post(b"a=b", "Content-Type: text/plain"), {415}),
        "an unknown method": (head("FLY", LOGIN, at), {400, 405, 501}),
    }


async def send(url: str, request: bytes) -> int:
    """Return the status, or 0 if the service closes without an answer."""
    parts = urlsplit(url)
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    port = parts.port or (443 if tls else 80)
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=tls)
        writer.write(request)
        try:
            return int((await reader.readuntil(b"\r\n"))[9:12])
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0
        finally:
            writer.close()


async def check(url: str) -> Outcome:
    wrong = []
    sent = requests(urlsplit(url).netloc)
    for name, (request, expected) in sent.items():
        status = await send(url, request)
        if status not in expected:
            wrong.append(f"{name}: {status or 'no answer'}")
    return Outcome(f"{len(sent) - len(wrong)} of {len(sent)} requests refused", wrong)
