"""Sends requests as bytes to a running service and reads its answers."""

import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from testbed.service import Service

HOST = "Host: api.example.com"
LIVE, LOGIN = "/api/v1/health/live", "/api/v1/auth/login"
PROXY = "127.0.0.2"  # another address of this machine, to connect from
JSON = "Content-Type: application/json"


@dataclass
class Answer:
    status: int
    reason: str
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        problem: dict[str, Any] = orjson.loads(self.body)
        return problem


@contextmanager
def connect(service: Service, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    address = ("127.0.0.1", service.port)
    with socket.create_connection(address, 60, (source, 0)) as connection:
        yield connection


@dataclass
class Edge:
    service: Service
    # The service closes these connections after 10 seconds. Meanwhile other tests run.
    silent: socket.socket
    slow_head: socket.socket
    slow_body: socket.socket
    refused: socket.socket  # its body is too large

    def connect(
        self, source: str = "127.0.0.1"
    ) -> AbstractContextManager[socket.socket]:
        return connect(self.service, source)

    def ask(self, request: bytes, source: str = "127.0.0.1") -> Answer:
        with self.connect(source) as connection:
            connection.sendall(request)
            return read_answer(connection)

    def lines(self, request_id: str) -> list[dict[str, Any]]:
        """Wait for the log lines of a request, which can come after its answer."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            log = self.service.log()
            if found := [e for e in log if e.get("request_id") == request_id]:
                return found
            time.sleep(0.02)
        pytest.fail(f"No line in the log of request {request_id}.")


def head(method: str, target: str, *lines: str, host: str | None = HOST) -> bytes:
    first = [f"{method} {target} HTTP/1.1", *([host] if host else [])]
    return "\r\n".join([*first, *lines, "", ""]).encode("latin-1")


def read_answer(connection: socket.socket) -> Answer:
    received = b""
    while b"\r\n\r\n" not in received:
        data = connection.recv(65_536)
        assert data, f"closed without an answer: {received!r}"
        received += data
    top, _, body = received.partition(b"\r\n\r\n")
    status, *lines = top.decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    while len(body) < int(headers.get("content-length", 0)):
        data = connection.recv(65_536)
        assert data, "cut short"
        body += data
    _, code, reason = status.split(maxsplit=2)
    return Answer(int(code), reason, headers, body)
