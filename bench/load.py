"""Sends load over keep-alive connections, each with at most one request under way."""

import re
import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.operations import Target

CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
NOT_MODIFIED = 304  # has no body, even if it has a Content-Length
FIRST_ERROR = 400


class Answer(NamedTuple):
    status: int
    body: bytes


class LoadFailed(Exception):
    """A program under load answered with an error, or closed a connection."""


@dataclass
class Stream:
    """Requests that several connections send in turns, and the times of the answers."""

    port: int
    requests: Iterator[bytes]
    connections: int
    latencies: list[float] = field(default_factory=list)  # seconds, one per answer
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, percent: int) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


class Connection:
    """Sends the requests of a stream, and measures the time until each answer."""

    def __init__(self, stream: Stream) -> None:
        self.socket = socket.create_connection(("127.0.0.1", stream.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = stream
        self.received = b""
        self.sent_at = 0.0

    def send(self) -> None:
        self.received = b""
        request = next(self.stream.requests)
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> Answer | None:
        """Return the answer if it is complete. The socket must be readable."""
        data = self.socket.recv(65_536)
        if not data:
            raise LoadFailed("The program closed a connection.")
        self.received = received = self.received + data if self.received else data
        head = received.find(b"\r\n\r\n")
        if head < 0:
            return None
        status = int(received[9:12])
        if status != NOT_MODIFIED:
            length = CONTENT_LENGTH.search(received, 0, head)
            if length is None:
                raise LoadFailed("An answer has no Content-Length.")
            if len(received) < head + 4 + int(length[1]):
                return None
        return Answer(status, received[head + 4 :])


def ask(target: Target, request: bytes) -> Answer:
    """Send one request on a new connection, and return the answer."""
    connection = Connection(Stream(target.port, iter([request]), 1))
    with connection.socket:
        connection.send()
        while not (answer := connection.receive()):
            pass
        return answer


def drive(streams: Sequence[Stream], seconds: float) -> None:
    """Keep every connection of all streams busy for `seconds`."""
    with ExitStack() as stack, select.epoll() as readable:
        connections = {}
        for stream in streams:
            for _ in range(stream.connections):
                connection = Connection(stream)
                stack.enter_context(connection.socket)
                readable.register(connection.socket, select.EPOLLIN)
                connections[connection.socket.fileno()] = connection
        started = time.perf_counter()
        deadline = started + seconds
        for connection in connections.values():
            connection.send()
        busy = len(connections)
        while busy:
            for descriptor, _ in readable.poll():
                connection = connections[descriptor]
                answer = connection.receive()
                if answer is None:
                    continue
                if answer.status >= FIRST_ERROR:
                    raise LoadFailed(f"An answer had status {answer.status}.")
                now = time.perf_counter()
                stream = connection.stream
                stream.latencies.append(now - connection.sent_at)
                stream.seconds = now - started
                if now < deadline:
                    connection.send()
                else:
                    busy -= 1
