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
            waiting = self._waiting[key]
            for _ in range(len(waiting) if is_last else min(gave_back, len(waiting))):
                waiting.popleft().set_result(None)
            if is_last:
                del self._under_way[key], self._waiting[key]

    async def wait(self, keys: Sequence[str]) -> bool:
        """Wait until trying again is worth it; False when nothing can come back."""
        if not keys or not all(self._under_way[key] for key in keys):
            return False
        turn = asyncio.get_running_loop().create_future()
        waiting = self._waiting[keys[0]]
        waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in waiting:
                waiting.remove(turn)
            raise
        return True
