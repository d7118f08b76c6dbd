"""Work under way that may yet give back what it has taken, and who waits for that."""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Sequence


class InFlight:
    """Counts what this process is doing, by key."""

    def __init__(self) -> None:
        self._under_way: Counter[str] = Counter()
        self._waiting: defaultdict[str, deque[asyncio.Future[None]]]
        self._waiting = defaultdict(deque)

    def begin(self, keys: Sequence[str]) -> None:
        self._under_way.update(keys)

    def end(self, keys: Sequence[str], *, gave_back: bool) -> None:
        """Wake one who waits for what was given back, or all when nobody is left."""
        self._under_way.subtract(keys)
        for key in keys:
            is_last = not self._under_way[key]
            self._wake(key, len(self._waiting[key]) if is_last else gave_back)
            if is_last:
                del self._under_way[key], self._waiting[key]

    async def wait(self, keys: Sequence[str]) -> bool:
        """Wait until trying again is worth it; False when nothing can come back."""
        if not keys or not all(self._under_way[key] for key in keys):
            return False
        turn = asyncio.get_running_loop().create_future()
        self._waiting[keys[0]].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # woken before it left
                self._wake(keys[0], 1)
            raise
        return True

    def _wake(self, key: str, count: int) -> None:
        waiting = self._waiting.get(key)
        while count and waiting:
            turn = waiting.popleft()
            if not turn.done():  # who waited for it may have left
                turn.set_result(None)
                count -= 1
