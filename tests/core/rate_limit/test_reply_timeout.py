"""Many timeouts on one timer."""

import asyncio
import time

import pytest

from app.core.rate_limit.reply_timeout import Countdown

SECONDS = 0.05


async def test_ends_what_takes_too_long() -> None:
    countdown = Countdown(SECONDS)
    started = time.monotonic()

    with pytest.raises(TimeoutError):
        await countdown.wait(asyncio.Event().wait())

    assert time.monotonic() - started >= SECONDS


async def test_ends_each_apart() -> None:
    """Mutant: end all that are waiting; look only at the first."""
    countdown = Countdown(SECONDS)
    done = asyncio.Event()
    early = [
        asyncio.create_task(countdown.wait(asyncio.Event().wait())) for _ in range(3)
    ]
    await asyncio.sleep(SECONDS / 2)
    late = asyncio.create_task(countdown.wait(done.wait()))

    ended = await asyncio.gather(*early, return_exceptions=True)
    done.set()
    await late

    assert [type(error) for error in ended] == [TimeoutError] * 3


async def test_leaves_what_was_stopped_or_begun_anew() -> None:
    countdown = Countdown(SECONDS)

    async with asyncio.timeout(None) as stopped, asyncio.timeout(None) as renewed:
        countdown.start(stopped)
        countdown.stop(stopped)
        for _ in range(4):
            countdown.start(renewed)
            await asyncio.sleep(SECONDS / 2)
        countdown.stop(renewed)

    assert not stopped.expired()
    assert not renewed.expired()


async def test_does_not_count_while_the_loop_is_busy() -> None:
    """Mutant: compare clocks."""
    countdown = Countdown(SECONDS)
    reply = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(countdown.wait(reply))
    await asyncio.sleep(0)

    time.sleep(SECONDS * 2)  # noqa: ASYNC251 - a burst of requests
    asyncio.get_running_loop().call_later(SECONDS / 5, reply.set_result, None)

    await waiting


def test_outlives_an_event_loop() -> None:
    """Mutant: believe that the timer of the loop before is still ticking."""
    countdown = Countdown(SECONDS)
    asyncio.run(countdown.wait(asyncio.sleep(0)))

    with pytest.raises(TimeoutError):
        asyncio.run(countdown.wait(asyncio.Event().wait()))
