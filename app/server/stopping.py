"""How workers stop: they drain, then close their connections and the application."""

import asyncio
import ctypes
import signal
import socket
import struct
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from gunicorn.workers.base import Worker
from gunicorn.workers.gasgi import ASGIWorker

from app.core.drain import Action, drain
from app.server.connections import waiting
from app.server.signals import HURRY, REPLACED, STOP

# A filter that drops packets with the flag SYN in byte 13 of the TCP header. Only
# packets that open a connection have this flag.
DROP_SYN = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFF))
SO_ATTACH_FILTER = 26
ACCEPTED_WITHIN_SECONDS = 0.1


@dataclass(frozen=True)
class Stopping:
    """How a worker stops. All times are in seconds."""

    delay: float
    patience: float  # for the requests in flight, after the delay
    # If true, systemd keeps the socket open, and new connections wait there for the
    # next process. `DROP_SYN` would stay on this socket, so that the next process would
    # never get a connection.
    has_socket_of_systemd: bool
    max_requests: int  # after which gunicorn replaces the worker

    def handle_signals(
        self,
        loop: asyncio.AbstractEventLoop,
        listeners: Iterable[socket.socket],
        close: Action,
        stop: Action,
        served: Callable[[], int],
    ) -> None:
        """Drain when a signal comes, or after `max_requests`.

        `close` closes the listeners of this process. Other processes can have copies of
        them. `served` returns how many requests the worker has served.
        """

        def refuse() -> None:
            if not self.has_socket_of_systemd:
                ignore_new_connections(listeners)
            loop.call_later(ACCEPTED_WITHIN_SECONDS, close)

        def finish() -> None:
            loop.call_later(self.patience, drain.cut)
            stop()

        loop.add_signal_handler(STOP, drain.leave, self.delay, refuse, finish)
        loop.add_signal_handler(REPLACED, drain.make_way, self.delay, close, finish)
        loop.add_signal_handler(HURRY, drain.hurry)

        def retire() -> None:
            """Drain after `max_requests`: the servers themselves would not drain."""
            if served() >= self.max_requests:
                drain.make_way(self.delay, close, finish)
            else:
                loop.call_later(1, retire)

        if self.max_requests < sys.maxsize:
            retire()


def ignore_new_connections(listeners: Iterable[socket.socket]) -> None:
    """Let the worker accept older connections before it closes its listeners.

    Closing a listener resets the connections that the worker has not accepted yet. A
    proxy can have sent a POST on such a connection, and does not send the POST again.
    If the kernel ignores the first packet of a new connection, the client repeats this
    packet after a second, and the connection is then refused. Some kernels let only
    root set the filter; for other users, closing still resets connections.
    """
    program = b"".join(struct.pack("HBBI", *each) for each in DROP_SYN)
    buffer = ctypes.create_string_buffer(program)
    filter_ = struct.pack("HP", len(DROP_SYN), ctypes.addressof(buffer))
    for listener in listeners:
        if listener.family != socket.AF_UNIX and sys.platform == "linux":
            with suppress(PermissionError):
                listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filter_)


def drain_asgi(worker: ASGIWorker, stopping: Stopping) -> None:
    """Drain when gunicorn's own worker gets a signal to stop."""
    listeners = [each.sock for each in worker.sockets]
    close, stop = partial(close_all, worker.servers), worker.handle_exit_signal
    worker.max_requests = sys.maxsize
    stopping.handle_signals(worker.loop, listeners, close, stop, lambda: worker.nr)
    worker._shutdown = partial(shut_down, worker)


async def shut_down(worker: ASGIWorker) -> None:
    """Close the connections without a request: the worker would wait for them."""
    close_all(worker.servers)
    waiting.close_all()
    await ASGIWorker._shutdown(worker)


def drain_uvicorn(worker: Worker, stopping: Stopping) -> None:
    """Drain when a worker of uvicorn gets a signal to stop.

    Uvicorn's own handlers are raw signal handlers, and end the process by the signal:
    its exit code is then not 0, and the last lines of the log are lost.
    """
    from uvicorn.server import Server  # 25 modules that other workers do not need

    @contextmanager
    def capture_signals(self: Server) -> Generator[None]:
        def stop(*, at_once: bool = False) -> None:
            self.should_exit, self.force_exit = True, at_once

        def close() -> None:
            # The server has no attribute `servers` before it listens.
            close_all(getattr(self, "servers", ()))

        loop = asyncio.get_running_loop()
        listeners = [each.sock for each in worker.sockets]
        self.config.limit_max_requests = None
        state = self.server_state
        stopping.handle_signals(
            loop, listeners, close, stop, lambda: state.total_requests
        )
        # Gunicorn sends SIGQUIT to stop a worker immediately, but uvicorn's workers
        # ignore this signal.
        for number in (signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(number, partial(stop, at_once=True))
        yield

    Server.capture_signals = capture_signals  # type: ignore[method-assign]


def close_all(servers: Iterable[Any]) -> None:
    for server in servers:
        server.close()
