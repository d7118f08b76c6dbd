import asyncio

from app.services.accounts.in_flight import InFlight


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


class TestInFlight:
    async def test_does_not_wait_for_what_cannot_come_back(self) -> None:
        work = InFlight()
        work.begin(["a"])

        assert not await work.wait([])
        assert not await work.wait(["b"])
        assert not await work.wait(["a", "b"])

    async def test_wakes_one_for_each_that_gives_back(self) -> None:
        work = InFlight()
        work.begin(["a"])
        work.begin(["a"])
        work.begin(["a"])
        waiting = [asyncio.create_task(work.wait(["a"])) for _ in range(3)]
        await settle()

        work.end(["a"], gave_back=True)
        await settle()
        assert [task.done() for task in waiting] == [True, False, False]
        work.end(["a"], gave_back=False)
        await settle()
        assert [task.done() for task in waiting] == [True, False, False]

    async def test_wakes_all_when_nobody_is_left(self) -> None:
        """Mutant: to wake one only leaves the others waiting for ever."""
        work = InFlight()
        work.begin(["a"])
        waiting = [asyncio.create_task(work.wait(["a"])) for _ in range(3)]
        await settle()

        work.end(["a"], gave_back=False)

        assert await asyncio.gather(*waiting) == [True] * 3
        assert not await work.wait(["a"])

    async def test_passes_over_who_has_left(self) -> None:
        """Mutant: to wake who was cancelled, and has not run since, raises."""
        work = InFlight()
        work.begin(["a"])
        work.begin(["a"])
        left = asyncio.create_task(work.wait(["a"]))
        stays = asyncio.create_task(work.wait(["a"]))
        await settle()
        left.cancel()

        work.end(["a"], gave_back=True)
        await settle()

        assert left.cancelled()
        assert stays.done()

    async def test_passes_on_the_turn_of_who_leaves_when_woken(self) -> None:
        """Mutant: without it nobody takes what was given back."""
        work = InFlight()
        work.begin(["a"])
        work.begin(["a"])
        left = asyncio.create_task(work.wait(["a"]))
        stays = asyncio.create_task(work.wait(["a"]))
        await settle()

        work.end(["a"], gave_back=True)
        left.cancel()
        await settle()

        assert left.cancelled()
        assert stays.done()
