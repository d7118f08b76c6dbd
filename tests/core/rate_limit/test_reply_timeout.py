"""One timer for all replies that the process waits for."""

import asyncio
import time

import pytest

from app.core.rate_limit.reply_timeout import ReplyTimeout

SECONDS = 0.05


async def test_gives_up_on_a_late_reply() -> None:
    timeout = ReplyTimeout(SECONDS)
    started = time.monotonic()

    with pytest.raises(TimeoutError):
        await timeout.wait(asyncio.Event().wait())

    assert time.monotonic() - started >= SECONDS


async def test_gives_up_on_each_reply_separately() -> None:
    """Mutants: give up on all replies; check only the first."""
    timeout = ReplyTimeout(SECONDS)
    done = asyncio.Event()
    early = [
        asyncio.create_task(timeout.wait(asyncio.Event().wait())) for _ in range(3)
    ]
    await asyncio.sleep(SECONDS / 2)
    late = asyncio.create_task(timeout.wait(done.wait()))

    ended = await asyncio.gather(*early, return_exceptions=True)
    done.set()
    await late

    assert [type(error) for error in ended] == [TimeoutError] * 3


async def test_forgets_a_reply_that_has_arrived() -> None:
    """Mutant: keep the reply, which makes the timer fail when its time is over."""
    timeout = ReplyTimeout(SECONDS)
    await timeout.wait(asyncio.sleep(0))

    async with asyncio.timeout(10):
        with pytest.raises(TimeoutError):
            await timeout.wait(asyncio.Event().wait())


async def test_does_not_count_while_the_loop_is_busy() -> None:
    """Mutant: compare the clock with the start of the wait."""
    timeout = ReplyTimeout(SECONDS)
    reply = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(timeout.wait(reply))
    await asyncio.sleep(0)

    time.sleep(SECONDS * 2)  # noqa: ASYNC251 - a burst of requests
    asyncio.get_running_loop().call_later(SECONDS / 5, reply.set_result, None)

    await waiting


def test_works_in_a_second_event_loop() -> None:
    """Mutant: assume that the timer of the previous loop still runs."""
    timeout = ReplyTimeout(SECONDS)
    asyncio.run(timeout.wait(asyncio.sleep(0)))

    with pytest.raises(TimeoutError):
        asyncio.run(timeout.wait(asyncio.Event().wait()))
