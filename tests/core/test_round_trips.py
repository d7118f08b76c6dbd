"""Callers that share a round trip."""

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar

import pytest

from app.core.round_trips import RoundTrips

CALLER: ContextVar[str] = ContextVar("caller", default="none")


class Server:
    """Answers each question with its own text, when the test opens the gate.

    If the test sets `error`, one trip fails with it.
    """

    def __init__(self) -> None:
        self.trips: list[list[str]] = []
        self.callers: list[str] = []
        self.error: Exception | None = None
        self.gate = asyncio.Event()

    async def __call__(self, questions: Sequence[str]) -> Sequence[str]:
        self.trips.append(list(questions))
        self.callers.append(CALLER.get())
        await self.gate.wait()
        error, self.error = self.error, None
        if error is not None:
            raise error
        return questions


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
def trips(server: Server) -> RoundTrips[str, str]:
    return RoundTrips(server, most=3)


async def turns() -> None:
    """Let everything run that does not wait for the gate."""
    for _ in range(20):
        await asyncio.sleep(0)


async def begin(trips: RoundTrips[str, str], questions: str) -> list[asyncio.Task[str]]:
    asked = [asyncio.create_task(trips.ask(letter)) for letter in questions]
    await turns()
    return asked


async def leave(*callers: asyncio.Task[str]) -> None:
    for caller in callers:
        caller.cancel()
    await turns()


async def results(*callers: asyncio.Task[str]) -> list[str]:
    """Return the answers of these callers.

    Raises the error of a caller, or `InvalidStateError` if a caller still waits.
    """
    await turns()
    return [caller.result() for caller in callers]


async def test_takes_the_questions_in_their_order(
    trips: RoundTrips[str, str], server: Server
) -> None:
    """Mutants: ask all questions in one trip; take the newest question first."""
    first = await begin(trips, "a")
    others = await begin(trips, "bcdef")
    server.gate.set()

    assert await results(*first, *others) == list("abcdef")
    assert server.trips == [["a"], ["b", "c", "d"], ["e", "f"]]


async def test_goes_on_for_the_others_when_a_caller_leaves(
    trips: RoundTrips[str, str], server: Server
) -> None:
    """Mutants: end the trip when a caller leaves; ask for a caller who has left."""
    left, stays = await begin(trips, "ab")
    left_early, waits = await begin(trips, "cd")
    await leave(left, left_early)
    server.gate.set()

    assert await results(stays, waits) == ["b", "d"]
    assert server.trips == [["a", "b"], ["d"]]


async def test_fails_each_caller_of_the_trip_and_no_other(
    trips: RoundTrips[str, str], server: Server
) -> None:
    """Mutant: begin no further trip after an error."""
    aboard = await begin(trips, "ab")
    waiting = await begin(trips, "c")
    server.error = ConnectionError("gone")
    server.gate.set()

    for caller in aboard:
        with pytest.raises(ConnectionError):
            await results(caller)
    assert await results(*waiting, *await begin(trips, "d")) == ["c", "d"]


async def test_ends_when_all_its_callers_have_left(
    trips: RoundTrips[str, str], server: Server
) -> None:
    """Mutant: go on with such a trip. If it hangs, all later callers wait."""
    aboard = await begin(trips, "ab")
    waiting = await begin(trips, "c")

    await leave(*aboard)

    assert server.trips == [["a", "b"], ["c"]]
    server.gate.set()
    assert await results(*waiting) == ["c"]


async def test_begins_when_a_caller_who_asks_alone_is_done(
    trips: RoundTrips[str, str], server: Server
) -> None:
    """Mutants: begin while that caller waits; begin only if it got an answer."""
    own: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    leader = asyncio.create_task(trips.lead(own))
    await turns()
    waiting = await begin(trips, "ab")
    assert server.trips == []

    await leave(leader)

    server.gate.set()
    assert await results(*waiting) == ["a", "b"]
    assert server.trips == [["a", "b"]]


async def test_is_no_part_of_the_request_that_began_it(
    trips: RoundTrips[str, str], server: Server
) -> None:
    """Mutant: let the log lines of a trip have the id of its first request."""
    CALLER.set("ann")

    await begin(trips, "a")

    assert server.callers == ["none"]
