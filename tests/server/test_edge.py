"""Hostile bytes on real sockets, under each worker class.

Either the server's parser or the application refuses them, with a 4xx and a problem
document. They reach no route.
"""

import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.api.middleware.request_context import UNMATCHED
from tests.server.edge import (
    HOST,
    JSON,
    LIVE,
    LOGIN,
    PROXY,
    Edge,
    head,
    read_answer,
)

PATH, REGISTER = "/api/v1/notes", "/api/v1/auth/register"


GET = f"GET {PATH} HTTP/1.1\r\n"
HOSTILE = {
    "two hosts": head("GET", PATH, "Host: evil.example.com"),
    "the same host twice": head("GET", PATH, HOST),
    "no host": head("GET", PATH, host=None),
    "an empty host": head("GET", PATH, host="Host:"),
    "another host": head("GET", PATH, host="Host: evil.example.com"),
    "length and chunks": head(
        "POST", LOGIN, JSON, "Content-Length: 2", "Transfer-Encoding: chunked"
    )
    + b"0\r\n\r\n",
    "two lengths": head("POST", LOGIN, JSON, "Content-Length: 2", "Content-Length: 3"),
    "a negative length": head("POST", LOGIN, JSON, "Content-Length: -1"),
    "a length with a sign": head("POST", LOGIN, JSON, "Content-Length: +2") + b"{}",
    "an unknown coding": head("POST", LOGIN, JSON, "Transfer-Encoding: gzip, x"),
    "chunked twice": head("POST", LOGIN, JSON, "Transfer-Encoding: chunked, chunked")
    + b"0\r\n\r\n",
    "a chunk of no size": head("POST", LOGIN, JSON, "Transfer-Encoding: chunked")
    + b"zz\r\n{}\r\n0\r\n\r\n",
    "bare line feeds": f"GET {PATH} HTTP/1.1\n{HOST}\n\n".encode(),
    "a folded header": head("GET", PATH, "X-Folded: a", " b"),
    "a space before the colon": head("GET", PATH, "X-Space : a"),
    "a name of no letters": head("GET", PATH, "X(Y): a"),
    "a nul in a header": head("GET", PATH, "X-Nul: a\0b"),
    "authorization twice": head(
        "GET", PATH, "Authorization: Bearer a", "Authorization: Bearer b"
    ),
    "200 headers": head("GET", PATH, *(f"X-{n}: {n}" for n in range(200))),
    "a header of 70 KB": head("GET", PATH, "X-Long: " + "a" * 70_000),
    "40 KB of headers": head("GET", PATH, *(f"X-{n}: {'a' * 4000}" for n in range(10))),
    "a path of 3 KB": head("GET", "/" + "a" * 3000),
    "a query of 5 KB": head("GET", f"{PATH}?max_budget=" + "a" * 5000),
    "a target of 20 KB": head("GET", f"{PATH}?max_budget=" + "a" * 20_000),
    "an encoded nul in the path": head("GET", f"{PATH}/%00"),
    "an encoded line feed in the path": head("GET", f"{PATH}/a%0ab"),
    "an encoded line feed in the query": head("GET", f"{PATH}?max_budget=%0d%0aX: y"),
    "a control character in the path": head("GET", f"{PATH}/a\x01b"),
    "trace": head("TRACE", PATH),
    "connect": head("CONNECT", "evil.example.com:443"),
    "an unknown method": head("BREW", PATH),
    "another host in the target": head("GET", f"http://evil.example.com{PATH}"),
    "http 0.9": f"GET {PATH}\r\n\r\n".encode(),
    "http 9.9": f"GET {PATH} HTTP/9.9\r\n{HOST}\r\n\r\n".encode(),
    "no http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a body over the limit": head("POST", LOGIN, JSON, "Content-Length: 65537")
    + b" " * 65_537,
    "chunks over the limit": head("POST", LOGIN, JSON, "Transfer-Encoding: chunked")
    + b"8000\r\n"
    + b" " * 0x8000
    + b"\r\n"
    + b"8001\r\n"
    + b" " * 0x8001
    + b"\r\n0\r\n\r\n",
}


class TestHostile:
    @pytest.mark.parametrize("name", HOSTILE)
    def test_bytes_reach_no_route(self, edge: Edge, name: str) -> None:
        answer = edge.ask(HOSTILE[name])

        assert 400 <= answer.status < 500, answer
        assert answer.problem["status"] == answer.status
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
        assert b"evil" not in answer.body
        for line in edge.lines(answer.problem["request_id"]):
            assert line.get("route", UNMATCHED) in (UNMATCHED, REACHED.get(name))

    def test_body_that_is_still_coming_does_not_hide_its_refusal(
        self, edge: Edge
    ) -> None:
        """Catches a server that resets the connection, and the answer with it."""
        with edge.connect() as connection:
            connection.sendall(head("POST", LOGIN, JSON, "Content-Length: 10000000"))
            for _ in range(20):
                try:
                    connection.sendall(b" " * 10_000)
                except OSError:
                    break
                time.sleep(0.005)
            answer = read_answer(connection)

        assert answer.status == 413
        assert answer.problem["code"] == "body_too_large"

    def test_slow_body_is_cut(self, edge: Edge) -> None:
        answer = read_answer(edge.slow_body)

        assert answer.status == 408
        assert answer.problem["code"] == "request_timeout"
        assert edge.slow_body.recv(1) == b""

    def test_slow_head_is_cut(self, edge: Edge) -> None:
        """Mutant: a timer from the second request on, as both servers have."""
        assert edge.slow_head.recv(1) == b""
        assert edge.silent.recv(1) == b""


# Routes that refuse by themselves, once they know the method or read the body.
REACHED = {
    "a body over the limit": LOGIN,
    "chunks over the limit": LOGIN,
    "an unknown method": PATH,
}


class TestLeaving:
    """Mutant: gunicorn's 500 for what was not answered, with an id of no request."""

    BODY = b'{"email": "me@example.org", "password": "a quiet orange typewriter"}'

    @contextmanager
    def being_read(self, edge: Edge, request_id: str) -> Iterator[socket.socket]:
        """Send the head of a request, until an endpoint asks for its body."""
        lines = (JSON, f"Content-Length: {len(self.BODY)}", "Expect: 100-continue")
        with edge.connect() as connection:
            connection.sendall(
                head("POST", REGISTER, *lines, f"X-Request-ID: {request_id}")
            )
            assert connection.recv(65_536).startswith(b"HTTP/1.1 100 ")
            yield connection

    def logged(self, edge: Edge, request_id: str) -> list[dict[str, Any]]:
        found = edge.lines(request_id)
        look_around(edge)
        assert [line for line in edge.service.log() if is_failure(line)] == []
        return found

    def test_before_its_body_has_come_is_logged_as_such(self, edge: Edge) -> None:
        with self.being_read(edge, "left-before-the-body") as connection:
            connection.sendall(self.BODY[:9])

        [line] = self.logged(edge, "left-before-the-body")
        assert (line["event"], line["status_code"]) == ("http.request", 499)

    def test_before_its_answer_is_no_failure(self, edge: Edge) -> None:
        file = Path(edge.service.environment["HOME"]) / "var/app.db"
        with closing(sqlite3.connect(file)) as another:
            another.execute("BEGIN IMMEDIATE")
            with self.being_read(edge, "left-before-the-answer") as connection:
                connection.sendall(self.BODY)
                look_around(edge)  # by then the body was read
            look_around(edge)  # and now the departure

        [line] = self.logged(edge, "left-before-the-answer")
        assert line["event"] == "http.request"
        assert line["status_code"] in (201, 499)  # as gunicorn waits for 3 seconds


def look_around(edge: Edge) -> None:
    """Ask for something else, which is answered after what came before it."""
    assert edge.ask(head("GET", LIVE)).status == 200


def is_failure(line: dict[str, Any]) -> bool:
    return line["level"] == "error" or int(line.get("status_code", 0)) >= 500


class TestAddress:
    SPOOFED = (
        "X-Forwarded-For: 203.0.113.9",
        "X-Real-IP: 203.0.113.9",
        "Forwarded: for=203.0.113.9",
        "CF-Connecting-IP: 203.0.113.9",
        "True-Client-IP: 203.0.113.9",
        "Client-IP: 203.0.113.9",
    )

    @pytest.mark.parametrize(
        ("source", "client"),
        [("127.0.0.1", "127.0.0.1"), (PROXY, "203.0.113.9")],
    )
    def test_is_told_by_proxies_only(
        self, edge: Edge, source: str, client: str
    ) -> None:
        answer = edge.ask(head("GET", "/nowhere", *self.SPOOFED), source)

        [line] = edge.lines(answer.headers["x-request-id"])
        assert line["client_ip"] == client

    def test_is_the_last_that_no_proxy_of_ours_wrote(self, edge: Edge) -> None:
        forwarded = (
            "X-Forwarded-For: 198.51.100.1, 203.0.113.9",
            f"X-Forwarded-For: {PROXY}",
        )
        answer = edge.ask(head("GET", "/nowhere", *forwarded), PROXY)

        [line] = edge.lines(answer.headers["x-request-id"])
        assert line["client_ip"] == "203.0.113.9"


def test_a_health_probe_of_http_1_0_needs_no_host(edge: Edge) -> None:
    for name in ("live", "ready"):
        probe = f"GET /api/v1/health/{name} HTTP/1.0\r\n\r\n"
        assert edge.ask(probe.encode()).status == 200
    assert edge.ask(f"GET {PATH} HTTP/1.0\r\n\r\n".encode()).status == 400
