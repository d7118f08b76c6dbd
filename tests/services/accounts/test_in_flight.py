import asyncio

from app.services.accounts.in_flight import InFlight


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


class TestInFlight:
    async def test_does_not_wait_without_a_pending_attempt(self) -> None:
        work = InFlight()
        work.begin(["a"])

        assert not await work.wait([])
        assert not await work.wait(["b"])
        assert not await work.wait(["a", "b"])

    async def test_wakes_one_caller_for_each_attempt_given_back(self) -> None:
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

    async def test_wakes_all_callers_when_no_attempt_is_pending(self) -> None:
        """Mutant: wake only one, so that the others wait for ever."""
        work = InFlight()
        work.begin(["a"])
        waiting = [asyncio.create_task(work.wait(["a"])) for _ in range(3)]
        await settle()

        work.end(["a"], gave_back=False)

        assert await asyncio.gather(*waiting) == [True] * 3
        assert not await work.wait(["a"])

    async def test_skips_a_caller_that_was_cancelled(self) -> None:
        """Mutant: wake a cancelled caller before it runs, which raises an error."""
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

    async def test_wakes_another_if_the_woken_caller_is_cancelled(self) -> None:
        """Mutant: wake no other caller, so that the attempt remains unused."""
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
