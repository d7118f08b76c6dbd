"""Lets a login wait for the attempts that are still being checked."""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Sequence


class InFlight:
    """Attempts whose password or code is still being checked, per counter.

    If the password or code is right, the attempt is removed from the counter. While
    attempts are pending, a caller that finds the counter full waits for them instead of
    being refused, so that a whole office can log in at nine o'clock. An `InFlight`
    knows only the attempts of its own process.
    """

    def __init__(self) -> None:
        self._under_way: Counter[str] = Counter()
        self._waiting: defaultdict[str, deque[asyncio.Future[None]]]
        self._waiting = defaultdict(deque)

    def begin(self, keys: Sequence[str]) -> None:
        self._under_way.update(keys)

    def end(self, keys: Sequence[str], *, gave_back: bool) -> None:
        """Wake one waiting caller if the attempt was removed from the counter.

        Wake all waiting callers if no attempt is pending any more.
        """
        self._under_way.subtract(keys)
        for key in keys:
            is_last = not self._under_way[key]
            self._wake(key, len(self._waiting[key]) if is_last else gave_back)
            if is_last:
                del self._under_way[key], self._waiting[key]

    async def wait(self, keys: Sequence[str]) -> bool:
        """Wait until a pending attempt ends. Return False if none is pending."""
        if not keys or not all(self._under_way[key] for key in keys):
            return False
        turn = asyncio.get_running_loop().create_future()
        self._waiting[keys[0]].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # already woken, so pass the turn on to another
                self._wake(keys[0], 1)
            raise
        return True

    def _wake(self, key: str, count: int) -> None:
        waiting = self._waiting.get(key)
        while count and waiting:
            turn = waiting.popleft()
            if not turn.done():  # otherwise its caller was cancelled
                turn.set_result(None)
                count -= 1
