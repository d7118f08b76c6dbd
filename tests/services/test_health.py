"""The rules by which a dependency counts as healthy."""

import asyncio
import time

import pytest
from structlog.testing import capture_logs

from app.services.health import HealthMonitor


@pytest.fixture
def patience() -> None:
    """Keep the timeouts of production, because these tests check them."""


class Dependency:
    """Answers, refuses, hangs, or blocks the event loop before its reply is read."""

    def __init__(self) -> None:
        self.state = "up"

    async def probe(self) -> None:
        if self.state == "down":
            raise ConnectionRefusedError("port is closed")
        if self.state == "silent":
            await asyncio.Event().wait()
        if self.state == "unread":
            for _ in range(4):
                time.sleep(0.2)  # noqa: ASYNC251 - a burst of other requests
                await asyncio.sleep(0)


async def states(*states: str) -> list[bool | None]:
    """Return whether the dependency was healthy after each probe."""
    dependency = Dependency()
    monitor = HealthMonitor({"database": dependency.probe}, interval=60)
    seen = []
    for dependency.state in states:
        await monitor.probe()
        seen.append(monitor.healthy["database"])
    return seen


async def test_the_first_probe_decides_the_first_state() -> None:
    assert await states("up") == [True]
    assert await states("down", "up") == [False, True]


async def test_two_failures_in_a_row_make_it_unhealthy_and_one_success_heals() -> None:
    """Mutants: let one failure be enough; do not reset the count after a success."""
    assert await states("up", "down", "up", "down", "down", "down", "up", "down") == [
        *(True, True, True, True),
        *(False, False, True, True),
    ]


async def test_a_dependency_that_does_not_answer_is_unhealthy() -> None:
    """Mutant: use no timeout."""
    async with asyncio.timeout(60):
        assert await states("up", "silent", "silent") == [True, True, False]


async def test_a_busy_event_loop_does_not_make_a_dependency_unhealthy() -> None:
    """Mutant: use `asyncio.timeout`, which also counts the time of a blocked loop."""
    assert await states("unread") == [True]


async def test_every_change_is_logged_once() -> None:
    """Mutant: begin as unhealthy, so that a failure at startup is not logged."""
    with capture_logs() as logs:
        await states("down", "down", "up", "up")

    assert [line["event"] for line in logs] == [
        "dependency.unhealthy",
        "dependency.healthy",
    ]
    assert logs[0]["reason"] == "ConnectionRefusedError"
    assert logs[0]["message"] == "port is closed"


async def test_a_probe_that_has_started_is_not_cancelled() -> None:
    """Mutant: cancel a slow probe, which abandons its connection."""
    began, ended = asyncio.Event(), False

    async def probe() -> None:
        nonlocal ended
        ended = False
        began.set()
        for _ in range(10):
            await asyncio.sleep(0)
        ended = True

    monitor = HealthMonitor({"database": probe}, interval=0)
    await monitor.start()
    began.clear()
    await began.wait()
    await monitor.stop()

    assert ended
