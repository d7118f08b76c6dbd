"""Hostile bytes on real sockets, under each worker class.

Either the server's parser or the application refuses them, with a 4xx and a problem
document. They reach no endpoint.
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
from app.server.connections import LINGERING_BYTES
from tests.server.edge import (
    JSON,
    LIVE,
    LOGIN,
    PROXY,
    Edge,
    head,
    read_answer,
)
from tests.server.hostile import HOSTILE, PATH

REGISTER = "/api/v1/auth/register"


class TestHostileBytes:
    @pytest.mark.parametrize("name", HOSTILE)
    def test_are_refused_before_any_endpoint(self, edge: Edge, name: str) -> None:
        answer = edge.ask(HOSTILE[name])

        assert 400 <= answer.status < 500, answer
        assert answer.problem["status"] == answer.status
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
        assert b"evil" not in answer.body
        for line in edge.lines(answer.problem["request_id"]):
            assert line["client_ip"] == "127.0.0.1"
            assert line.get("route", UNMATCHED) in (UNMATCHED, REACHED.get(name))

    def test_a_slow_body_ends_with_408(self, edge: Edge) -> None:
        answer = read_answer(edge.slow_body)

        assert answer.status == 408
        assert answer.problem["code"] == "request_timeout"
        assert edge.slow_body.recv(1) == b""

    def test_a_slow_head_is_cut(self, edge: Edge) -> None:
        """Mutant: use a timer only from the second request on, as both servers do."""
        assert edge.slow_head.recv(1) == b""
        assert edge.silent.recv(1) == b""


# The route itself refuses these: for the method, or while it reads the body.
REACHED = {
    "a body over the limit": LOGIN,
    "chunks over the limit": LOGIN,
    "an unknown method": PATH,
}


class TestRefusalsOfABody:
    """The service answers while the client still sends. The client reads afterwards."""

    TOO_LARGE = head("POST", LOGIN, JSON, "Content-Length: 5000000")

    @pytest.mark.parametrize(
        ("length", "status"), [("5000000", 413), ("+5000000", 400)]
    )
    def test_reach_the_client(self, edge: Edge, length: str, status: int) -> None:
        """Mutant: close at once, so that the kernel resets the connection."""
        request = head("POST", LOGIN, JSON, f"Content-Length: {length}")
        answers = [edge.ask(request + b" " * 5_000_000) for _ in range(50)]

        assert [answer.status for answer in answers] == [status] * 50
        assert {answer.headers["connection"] for answer in answers} == {"close"}

    def test_say_whether_the_connection_ends(self, edge: Edge) -> None:
        """Mutant: let gunicorn close the connection without `Connection: close`."""
        with edge.connect() as connection:
            connection.sendall(head("POST", "/nowhere", JSON, "Content-Length: 60000"))
            answer = read_answer(connection)
            connection.sendall(b" " * 60_000 + head("GET", LIVE))

            assert answer.status == 404
            if answer.headers.get("connection") == "close":
                assert connection.recv(1) == b""
            else:
                assert read_answer(connection).status == 200

    def test_end_when_the_client_sends_without_end(self, edge: Edge) -> None:
        """Mutant: read and drop the body for ever."""
        parts = 4 * LINGERING_BYTES // 1_000_000
        with edge.connect() as connection:
            connection.sendall(self.TOO_LARGE)
            sent = sum(send_until_cut(connection, [b" " * 1_000_000] * parts))

        assert LINGERING_BYTES // 2 < sent < parts * 1_000_000

    def test_end_when_the_client_does_not_leave(self, edge: Edge) -> None:
        """Mutant: do not limit the time."""
        assert read_answer(edge.refused).status == 413

        sent = send_until_cut(edge.refused, [b" "] * 3000, pause=0.02)
        assert sum(sent) < 3000


def send_until_cut(
    connection: socket.socket, parts: list[bytes], pause: float = 0
) -> Iterator[int]:
    for part in parts:
        try:
            connection.sendall(part)
        except ConnectionError:
            return
        yield len(part)
        time.sleep(pause)


class TestDisconnect:
    """Mutant: let gunicorn log a 500 with a request id of its own."""

    BODY = b'{"email": "me@example.org", "password": "a quiet orange typewriter"}'

    @contextmanager
    def being_read(self, edge: Edge, request_id: str) -> Iterator[socket.socket]:
        """Send the head of a request and wait until the endpoint asks for the body."""
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

    def test_before_the_body_is_complete_is_logged_as_499(self, edge: Edge) -> None:
        with self.being_read(edge, "left-before-the-body") as connection:
            connection.sendall(self.BODY[:9])

        [line] = self.logged(edge, "left-before-the-body")
        assert (line["event"], line["status_code"]) == ("http.request", 499)

    def test_before_the_answer_does_not_undo_a_write(self, edge: Edge) -> None:
        file = Path(edge.service.environment["HOME"]) / "var/app.db"
        with closing(sqlite3.connect(file)) as another:
            another.execute("BEGIN IMMEDIATE")
            with self.being_read(edge, "left-before-the-answer") as connection:
                connection.sendall(self.BODY)
                look_around(edge)  # the service has read the body
            look_around(edge)  # the service has noticed that the client left
            # This writer waits longer than gunicorn waits after a disconnect.
            with (
                closing(sqlite3.connect(file, timeout=4)) as third,
                pytest.raises(sqlite3.OperationalError, match="locked"),
            ):
                third.execute("BEGIN IMMEDIATE")

        [line] = self.logged(edge, "left-before-the-answer")
        assert (line["event"], line["status_code"]) == ("http.request", 201)


def look_around(edge: Edge) -> None:
    """Send another request; the service answers it after the earlier events."""
    assert edge.ask(head("GET", LIVE)).status == 200


def is_failure(line: dict[str, Any]) -> bool:
    return line["level"] == "error" or int(line.get("status_code", 0)) >= 500


class TestClientAddress:
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
    def test_is_accepted_only_from_proxies(
        self, edge: Edge, source: str, client: str
    ) -> None:
        answer = edge.ask(head("GET", "/nowhere", *self.SPOOFED), source)

        [line] = edge.lines(answer.headers["x-request-id"])
        assert line["client_ip"] == client

    def test_is_the_last_address_that_is_not_a_proxy(self, edge: Edge) -> None:
        forwarded = (
            "X-Forwarded-For: 198.51.100.1, 203.0.113.9",
            f"X-Forwarded-For: {PROXY}",
        )
        answer = edge.ask(head("GET", "/nowhere", *forwarded), PROXY)

        [line] = edge.lines(answer.headers["x-request-id"])
        assert line["client_ip"] == "203.0.113.9"

    def test_is_not_read_from_a_trailer(self, edge: Edge) -> None:
        """Mutant: add trailers to the headers, as uvicorn does."""
        request = head(
            *("POST", LOGIN, JSON, "Transfer-Encoding: chunked"),
            "X-Forwarded-For: 203.0.113.9",
        )
        body = b"2\r\n{}\r\n0\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n"
        answer = edge.ask(request + body, PROXY)

        assert answer.status == 422
        [line] = edge.lines(answer.headers["x-request-id"])
        assert line["client_ip"] == "203.0.113.9"


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        (f"http://api.example.com{PATH}", "evil.example.com", 401),
        (f"HTTPS://API.example.com:8000{LIVE}?a=b", "api.example.com", 200),
        (f"http://api.example.com{LIVE}?a=%0a", "api.example.com", 400),
        ("http://api.example.com", "api.example.com", 200),
        ("http://api.example.com?a=b", "api.example.com", 200),
        (f"http://evil.example.com{PATH}", "api.example.com", 421),
        (f"http://user@api.example.com{PATH}", "api.example.com", 400),
        (f"http://{PATH}", "api.example.com", 400),
    ],
)
def test_the_host_of_an_absolute_target_replaces_that_of_the_header(
    edge: Edge, target: str, host: str, status: int
) -> None:
    """RFC 9112 §3.2.2. Mutant: check the Host header that the client sends."""
    answer = edge.ask(head("GET", target, host=f"Host: {host}"))

    assert answer.status == status, answer


def test_an_upgrade_to_a_websocket_is_ignored(edge: Edge) -> None:
    """Mutant: let the server open a WebSocket, which no route answers."""
    lines = (
        *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    answer = edge.ask(head("GET", "/nowhere", *lines))

    assert answer.problem["code"] == "not_found"
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_status_has_its_reason_phrase(edge: Edge) -> None:
    """Mutant: use gunicorn's table, in which some phrases are `Unknown`."""
    answer = edge.ask(head("GET", PATH, *(f"X-{n}: {'a' * 4000}" for n in range(9))))

    assert (answer.status, answer.reason) == (431, "Request Header Fields Too Large")


def test_a_health_probe_of_http_1_0_needs_no_host(edge: Edge) -> None:
    for name in ("live", "ready"):
        probe = f"GET /api/v1/health/{name} HTTP/1.0\r\n\r\n"
        assert edge.ask(probe.encode()).status == 200
    assert edge.ask(f"GET {PATH} HTTP/1.0\r\n\r\n".encode()).status == 400
