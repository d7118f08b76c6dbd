"""Which connections a worker keeps open: how many, and how long without a request."""

import asyncio
import resource
import sys
from typing import Protocol

FIRST_REQUEST_SECONDS = 10
# A worker also opens listeners, database connections, logs and files of imports.
OTHER_FILES = 100


class Connection(Protocol):
    def stop_waiting(self) -> None:
        """Close the connection, unless the head of a request is complete."""


class WaitingConnections:
    """The connections without a request, the one that waits longest first.

    A connection waits until the head of its request is complete, so a client that
    sends the head slowly does not keep the connection.
    """

    def __init__(self) -> None:
        self.most_open = sys.maxsize
        self._stopping = False
        self._timers: dict[Connection, asyncio.TimerHandle] = {}

    def add(self, connection: Connection, seconds: float) -> None:
        self.remove(connection)
        if self._stopping:
            connection.stop_waiting()
            return
        self._timers[connection] = asyncio.get_running_loop().call_later(
            seconds, self._close, connection
        )

    def add_new(self, connection: Connection, now_open: int) -> None:
        """Add a new connection. Close the one that waits longest if there are too many.

        If all others serve requests, that is the new one.
        """
        self.add(connection, FIRST_REQUEST_SECONDS)
        if now_open > self.most_open and self._timers:
            self._close(next(iter(self._timers)))

    def remove(self, connection: Connection) -> None:
        if timer := self._timers.pop(connection, None):
            timer.cancel()

    def close_all(self) -> None:
        """Close all for a shutdown, and at once each that is added from now on."""
        self._stopping = True
        for connection in list(self._timers):
            self._close(connection)

    def _close(self, connection: Connection) -> None:
        self.remove(connection)
        connection.stop_waiting()


waiting = WaitingConnections()  # of this process


def reserve_files(max_connections: int) -> None:
    """Raise the limit for open files as far as the connections need it.

    Raises:
        SystemExit: the hard limit is too low.
    """
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
