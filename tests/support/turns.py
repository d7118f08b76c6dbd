"""How long one task blocks the other tasks of the event loop."""

import gc
from asyncio import Task, sleep
from time import thread_time
from typing import Any


async def longest_turn(task: Task[Any]) -> float:
    """Return the seconds of the longest turn until the task is done.

    The function counts CPU time, so that a busy machine does not matter. It hides the
    many objects of the tests from the garbage collector, which would block for long.
    """
    gc.freeze()
    longest, before = 0.0, thread_time()
    while not task.done():
        await sleep(0)
        now = thread_time()
        longest, before = max(longest, now - before), now
    gc.unfreeze()
    return longest
