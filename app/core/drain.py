"""The drain: a process that must stop still serves for some time."""

import asyncio
from collections.abc import Callable

from app.core.logging import get_logger

log = get_logger(__name__)
Action = Callable[[], object]
# Time between `refuse` and `stop`. During this time, a client that has just connected
# can still send its request.
LINGER_SECONDS = 0.5


class Drain:
    """Lets clients and load balancers leave before the process stops.

    During the drain, each answer ends its connection. Call all methods in the event
    loop. In a raw signal handler, logging could wait for ever: the code that the signal
    interrupts can hold the lock of the log.
    """

    def __init__(self) -> None:
        self.is_under_way = False
        self.is_instance_leaving = False  # then readiness answers 503
        self.has_cut = False
        self.deadlines: set[asyncio.Timeout] = set()  # of the requests in flight
        self._timers: list[asyncio.TimerHandle] = []
        self._stop: Action | None = None

    def leave(self, seconds: float, refuse: Action, stop: Action) -> None:
        """Let readiness answer 503. After `seconds` call `refuse`, and then `stop`.

        `refuse` stops new connections. Clients that have connected before can still
        send a request until `stop`.
        """
        self.is_instance_leaving = True
        self.make_way(seconds, refuse, stop)

    def make_way(self, seconds: float, refuse: Action, stop: Action) -> None:
        """Do the same as `leave`, but for new processes that take over this address.

        Do not change readiness: load balancers know the address, not the process, so a
        503 would take the new processes out of service as well.
        """
        if self.is_under_way:
            return
        log.info("server.draining", seconds=seconds)
        self.is_under_way, self._stop = True, stop
        loop = asyncio.get_running_loop()
        self._timers = [
            loop.call_later(seconds, refuse),
            loop.call_later(seconds + min(seconds, LINGER_SECONDS), stop),
        ]

    def hurry(self) -> None:
        """Skip the rest of the drain."""
        for timer in self._timers:
            timer.cancel()
        if self._stop is not None:
            self._stop()

    def cut(self) -> None:
        """End the requests that are still in flight, before the application closes."""
        self.has_cut = True
        now = asyncio.get_running_loop().time()
        for deadline in self.deadlines:
            deadline.reschedule(now)


drain = Drain()  # of this process
