"""How many requests a process handles at the same time, so that it stays fast."""

import asyncio
from collections import deque

FEWEST = 16
SAMPLE_SECONDS = 0.02
LONGEST_TURN_SECONDS = 0.02  # of CPU time
LONGEST_WAIT_SECONDS = 0.05


class Limit:
    """A number of requests, which follows the CPU time of one turn of the event loop.

    All requests that are ready share a turn, so its length is what each of them waits.
    Unlike the latency of requests, it does not depend on which routes they ask for, nor
    on other processes that use the same cores: fewer requests would not help there.
    """

    def __init__(self, most: int, *, fixed: int = 0) -> None:
        """A `fixed` limit other than 0 never changes."""
        self.value = fixed or most
        self.is_reached = False  # since the last sample
        self.is_late = False
        self._most, self._is_fixed = max(most, FEWEST), bool(fixed)

    def adapt(self, turn_seconds: float) -> None:
        """Lower the limit by a part if a turn is long, and raise it by one otherwise.

        Processes that do this arrive at equal shares of a machine (AIMD).
        """
        self.is_late = turn_seconds > LONGEST_TURN_SECONDS
        if self._is_fixed:
            return
        if self.is_late:
            self.value = max(FEWEST, self.value * 7 // 8)
        elif self.is_reached:
            self.value = min(self._most, self.value + 1)
        self.is_reached = False


class Admission:
    """The requests of one kind that are under way, and those that wait for a moment."""

    __slots__ = ("_limit", "_waiting", "under_way")

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.under_way = 0

    def enter(self) -> bool:
        """Count a request, if the limit allows one more."""
        if self.under_way < self._limit.value:
            self.under_way += 1
            return True
        self._limit.is_reached = True
        return False

    async def wait(self) -> bool:
        """Wait for the end of another request. False: too many wait, or for too long.

        A burst can wait. While the event loop is late, waiting would only add to it.
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
        """Give the place to the request that has waited longest."""
        self.under_way -= 1
        while self._waiting and self.under_way < self._limit.value:
            turn = self._waiting.popleft()
            if not turn.done():
                self.under_way += 1
                turn.set_result(None)
