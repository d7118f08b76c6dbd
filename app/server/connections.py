"""Limits the open connections of a worker, and how long they wait for a request."""

import asyncio
import resource
import sys
from typing import Any, Protocol

FIRST_REQUEST_SECONDS = 10
UNREAD_SECONDS = 30.0
# Long enough for a proxy to send a body that it has stored, or for a client to send
# 5 MB at 4 Mbit/s.
LINGERING_SECONDS = 10
CHECKED_EVERY_SECONDS = 1
# Reading and dropping this much costs as much CPU time as about 50 requests.
LINGERING_BYTES = 64 * 1024 * 1024
# A worker also opens listeners, database connections, logs and files of imports.
OTHER_FILES = 100


class Connection(Protocol):
    def stop_waiting(self) -> None:
        """Close the connection, unless the head of a request is complete."""


class Server(Protocol):
    """The class of gunicorn or uvicorn that serves one connection."""

    @property
    def is_receiving(self) -> bool:
        """Whether the client can still be sending the request that was answered."""

    def connection_lost(self, exc: Exception | None) -> None: ...


class ImpatientWriter(asyncio.Protocol):
    """Cuts the connection of a client that does not read its answers.

    Otherwise the connection stays open, and its request never ends.
    """

    transport: Any
    patience = UNREAD_SECONDS
    _cut: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        loop = asyncio.get_running_loop()
        self._cut = loop.call_later(self.patience, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._cut is not None:
            self._cut.cancel()


class WaitingConnections:
    """The connections without a request. The one that waits longest is first.

    A connection that lingers after its answer counts as waiting, too. A connection
    waits until the head of its request is complete, so a client that sends the head
    slowly does not keep the connection.
    """

    def __init__(self) -> None:
        self.most_open = sys.maxsize
        self.lingering = 0
        self._stopping = False
        # When the wait of each connection ends, on the clock of the event loop. All
        # connections share one timer, because a timer for each connection would make
        # each request slower.
        self._ends: dict[Connection, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: Connection, seconds: float) -> None:
        self.remove(connection)
        if self._stopping:
            connection.stop_waiting()
            return
        loop = asyncio.get_running_loop()
        self._ends[connection] = loop.time() + seconds
        if self._timer is None:
            self._timer = loop.call_later(CHECKED_EVERY_SECONDS, self._close_late)

    def add_new(self, connection: Connection, now_served: int) -> None:
        """Add a new connection. Close the one that waits longest if there are too many.

        If no other connection waits, close the new one.
        """
        self.add(connection, FIRST_REQUEST_SECONDS)
        if now_served + self.lingering > self.most_open and self._ends:
            self._close(next(iter(self._ends)))

    def remove(self, connection: Connection) -> None:
        self._ends.pop(connection, None)

    def close_all(self) -> None:
        """Close the waiting connections for a shutdown.

        From now on, `add` closes a connection instead of letting it wait.
        """
        self._stopping = True
        for connection in list(self._ends):
            self._close(connection)

    def _close_late(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer, now = None, loop.time()
        for connection in [each for each, end in self._ends.items() if end <= now]:
            self._close(connection)
        if self._ends and self._timer is None:
            self._timer = loop.call_later(CHECKED_EVERY_SECONDS, self._close_late)

    def _close(self, connection: Connection) -> None:
        self.remove(connection)
        connection.stop_waiting()


waiting = WaitingConnections()  # of this process


class LingeringTransport(asyncio.Protocol):
    """A transport that gives the client time to read the answer before it closes.

    When a socket is closed with bytes that were not read, the kernel resets the
    connection, and the client then loses an answer that it has not read yet. So, if the
    request is still arriving when it has been answered, the transport only stops
    sending. It reads and drops the rest of the request, but only for some seconds and
    up to a number of bytes (RFC 9112 §9.6).
    """

    def __init__(self, transport: asyncio.Transport, server: Server) -> None:
        # Set `write`, because `__getattr__` would make each request slower.
        self.write = transport.write
        self._transport, self._server = transport, server
        self._lingers = False
        self._dropped = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._lingers or self._transport.is_closing()

    def close(self) -> None:
        if self.is_closing():
            return
        if not self._server.is_receiving:
            self._transport.close()
            return
        self._lingers = True
        waiting.lingering += 1
        self._transport.set_protocol(self)
        if self._transport.can_write_eof():  # not with TLS
            self._transport.write_eof()
        self._transport.resume_reading()
        # Tell the server that the connection has ended, so that it frees the request.
        self._server.connection_lost(None)
        waiting.add(self, LINGERING_SECONDS)

    def stop_waiting(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._dropped += len(data)
        if self._dropped > LINGERING_BYTES:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        waiting.lingering -= 1
        waiting.remove(self)


def reserve_files(max_connections: int) -> None:
    """Raise the limit for open files as far as the connections need it, or exit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = max_connections + OTHER_FILES
    if resource.RLIM_INFINITY not in (soft, hard) and hard < needed:
        sys.exit(
            f"MAX_CONNECTIONS must not exceed {hard - OTHER_FILES}, because a process "
            f"can open only {hard} files here. Raise the limit (`ulimit -n`, "
            "`LimitNOFILE=` of systemd) or lower MAX_CONNECTIONS."
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
