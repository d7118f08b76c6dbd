"""Load over keep-alive connections: by wrk where it is installed, else from here."""

import re
import select
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from bench.operations import Operation, Target

WRK = shutil.which("wrk")
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
# Far more than a program answers in a second, so that wrk sends no request twice.
WRK_REQUESTS_PER_SECOND = 10_000
WRK_SCRIPT = """
local file = io.open("{requests}", "rb")
local requests, sent = {{}}, 0
for request in file:read("*a"):gmatch("[^%z]+") do
   requests[#requests + 1] = request
end
function request()
   sent = sent % #requests + 1
   return requests[sent]
end
"""


class Load(NamedTuple):
    requests: int
    seconds: float


class Answer(NamedTuple):
    status: int
    body: bytes


class LoadFailed(Exception):
    """A program under load gave another answer than 2xx, or none."""


def drive(
    target: Target, operation: Operation, connections: int, seconds: float
) -> Load:
    """Keep every connection busy for this long, and count the answers."""
    if WRK is None:
        return _drive(target, operation.requests(target), connections, seconds)
    return _drive_by_wrk(WRK, target, operation, connections, seconds)


def ask(target: Target, request: bytes) -> Answer:
    """One request on a connection of its own."""
    with Connection(target.port) as connection:
        connection.send(request)
        while not (answer := connection.receive()):
            pass
        return answer


class Connection(ExitStack):
    """A keep-alive connection with at most one request under way."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.socket = self.enter_context(
            socket.create_connection(("127.0.0.1", port), timeout=10)
        )
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def send(self, request: bytes) -> None:
        self.received = b""
        self.socket.sendall(request)

    def receive(self) -> Answer | None:
        """The answer, once all of it is there; call when the socket is readable."""
        data = self.socket.recv(65_536)
        if not data:
            raise LoadFailed("The program closed a connection.")
        self.received += data
        head, separator, body = self.received.partition(b"\r\n\r\n")
        length = CONTENT_LENGTH.search(head)
        if not separator or not length or len(body) < int(length[1]):
            return None
        return Answer(int(head[9:12]), body)


def _drive(
    target: Target, requests: Iterator[bytes], connections: int, seconds: float
) -> Load:
    answered = 0
    with ExitStack() as stack, select.epoll() as readable:
        open_connections = {}
        for _ in range(connections):
            connection = stack.enter_context(Connection(target.port))
            readable.register(connection.socket, select.EPOLLIN)
            open_connections[connection.socket.fileno()] = connection
        started = time.perf_counter()
        deadline = started + seconds
        for connection in open_connections.values():
            connection.send(next(requests))
        busy = connections
        while busy:
            for descriptor, _ in readable.poll():
                connection = open_connections[descriptor]
                answer = connection.receive()
                if answer is None:
                    continue
                if answer.status // 100 != 2:
                    raise LoadFailed(f"An answer had status {answer.status}.")
                answered += 1
                if time.perf_counter() < deadline:
                    connection.send(next(requests))
                else:
                    busy -= 1
        return Load(answered, time.perf_counter() - started)


def _drive_by_wrk(
    wrk: str, target: Target, operation: Operation, connections: int, seconds: float
) -> Load:
    seconds = max(1, round(seconds))  # wrk takes whole seconds only
    count = 1000 if operation.repeatable else int(WRK_REQUESTS_PER_SECOND * seconds)
    with tempfile.TemporaryDirectory() as directory:
        requests, script = Path(directory, "requests"), Path(directory, "load.lua")
        requests.write_bytes(b"\0".join(islice(operation.requests(target), count)))
        script.write_text(WRK_SCRIPT.format(requests=requests))
        options = f"-t1 -c{connections} -d{seconds}s --timeout 10s -s".split()
        url = f"http://127.0.0.1:{target.port}/"
        output = subprocess.run(
            [wrk, *options, script, url], capture_output=True, text=True, check=True
        ).stdout
    done = re.search(r"(\d+) requests in ([\d.]+)s", output)
    if done is None or "Non-2xx" in output or "Socket errors" in output:
        raise LoadFailed(output)
    return Load(int(done[1]), float(done[2]))
