"""Limits how many requests a process handles at a time, so that it stays fast."""

import asyncio
import time
from collections import deque
from collections.abc import Container
from typing import Literal, get_args

from app.core.logging import get_logger
from app.core.metrics import requests_shed

FEWEST = 16
SAMPLE_SECONDS = 0.02
LONGEST_TURN_SECONDS = 0.01  # of CPU time
LONGEST_CONNECTION_WAIT_SECONDS = 0.005
LONGEST_WAIT_SECONDS = 0.05
LOGGED_EVERY_SECONDS = 10.0

log = get_logger(__name__)

Kind = Literal["read", "change"]
_shed = {kind: requests_shed.labels(kind, "overload") for kind in get_args(Kind)}


class Limit:
    """How many requests can be under way. The limit falls while requests wait long.

    A request waits in the event loop until all other ready requests have had their
    turn, and it waits for a database connection. Unlike latency, these waits do not
    depend on the requested routes. The wait in the event loop is measured in CPU time.
    Elapsed time would also include the time of other processes on the same cores, and a
    lower limit cannot reduce that time.
    """

    def __init__(self, most: int, *, fixed: int = 0) -> None:
        """If `fixed` is not 0, the limit has this value and never changes."""
        self.value = fixed or most
        self.is_reached = False  # since the last sample
        self.is_late = False
        self._most, self._is_fixed = max(most, FEWEST), bool(fixed)

    def adapt(
        self,
        turn_seconds: float,
        connection_seconds: float = 0.0,
        statement_seconds: float = 0.0,
    ) -> None:
        """Lower the limit by a quarter if a wait is long.

        Otherwise raise it by one if it was reached. Processes that do this arrive at
        equal shares of a machine (AIMD). A wait for a connection is long if it exceeds
        both LONGEST_CONNECTION_WAIT_SECONDS and the time of two statements: then more
        than two requests wait for each connection.
        """
        longest = max(LONGEST_CONNECTION_WAIT_SECONDS, 2 * statement_seconds)
        self.is_late = (
            turn_seconds > LONGEST_TURN_SECONDS or connection_seconds > longest
        )
        if self._is_fixed:
            return
        if self.is_late:
            self.value = max(FEWEST, self.value * 3 // 4)
        elif self.is_reached:
            self.value = min(self._most, self.value + 1)
        self.is_reached = False


class Admission:
    """The requests of one kind that are under way, and those that wait to enter."""

    __slots__ = ("_limit", "_waiting", "under_way")

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.under_way = 0

    def has_room_for(self, more: int) -> bool:
        """Whether this many additional requests can enter or wait."""
        room = self._limit.value * (1 if self._limit.is_late else 2)
        return self.under_way + len(self._waiting) + more <= room

    def enter(self) -> bool:
        """Count a request, if the limit allows one more."""
        if self.under_way < self._limit.value:
            self.under_way += 1
            return True
        self._limit.is_reached = True
        return False

    async def wait(self) -> bool:
        """Wait briefly until another request ends. Return whether this one has entered.

        Because of this wait, the process serves all requests of a short burst. If the
        process is late, or if too many requests wait, return False without waiting.
        """
        if self._limit.is_late or len(self._waiting) >= self._limit.value:
            return False
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                await turn
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise
        return turn.done() and not turn.cancelled()

    def leave(self) -> None:
        """End a request, and give its place to the one that has waited longest."""
        self.under_way -= 1
        while self._waiting and self.under_way < self._limit.value:
            turn = self._waiting.popleft()
            if not turn.done():
                self.under_way += 1
                turn.set_result(None)


class Door:
    """Lets the server use the limit that the application adapts."""

    def __init__(self) -> None:
        self.longest_connection_wait = 0.0  # seconds, since the last sample
        self.statement_seconds = 0.0  # moving average
        self._limit: Limit | None = None
        self._reads: Admission | None = None
        self._uncounted: Container[str] = ()
        # Reads that have arrived in this turn and in the one before.
        self._arrived = self._arrived_before = 0
        self._refused = 0
        self._next_log = 0.0

    def guard(self, limit: Limit, reads: Admission, uncounted: Container[str]) -> None:
        """Use the limit of the newest application. Only tests make more than one."""
        self._limit, self._reads, self._uncounted = limit, reads, uncounted

    def refuses(self, path: str) -> bool:
        """Whether to refuse a read before it is parsed. If not, count it as arrived.

        The count covers two turns of the event loop, because gunicorn starts a request
        in the second turn after its arrival.
        """
        if self._reads is None or path in self._uncounted:
            return False
        if not self._reads.has_room_for(self._arrived_before + self._arrived + 1):
            return True
        if not self._arrived and not self._arrived_before:
            asyncio.get_running_loop().call_soon(self._forget)
        self._arrived += 1
        return False

    def count_refusal(self, kind: Kind) -> None:
        """Count a refused request, and write one log line for many of them."""
        _shed[kind].inc()
        self._refused += 1
        if (now := time.monotonic()) >= self._next_log:
            self._next_log = now + LOGGED_EVERY_SECONDS
            limit = self._limit and self._limit.value
            log.warning("http.overloaded", refused=self._refused, limit=limit)
            self._refused = 0

    def note_connection_wait(self, seconds: float) -> None:
        self.longest_connection_wait = max(self.longest_connection_wait, seconds)

    def note_statement(self, seconds: float) -> None:
        self.statement_seconds += (seconds - self.statement_seconds) / 16

    def _forget(self) -> None:
        self._arrived_before, self._arrived = self._arrived, 0
        if self._arrived_before:
            asyncio.get_running_loop().call_soon(self._forget)


door = Door()  # of this process
