"""Adding made-up rows, for every resource in the registry."""

from importlib import import_module
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import delete, func, select

from app.db.session import transaction
from app.demo import RESOURCES
from app.demo.rows import is_empty


@pytest.fixture(params=RESOURCES)
def demo(request: pytest.FixtureRequest) -> Any:
    return import_module(f"app.demo.{request.param}")


async def keys(app: FastAPI, demo: Any) -> list[str]:
    async with transaction(app.state.shared.database) as session:
        return sorted(await session.scalars(select(demo.UNIQUE)))


async def remove(app: FastAPI, demo: Any, *removed: str) -> None:
    table = demo.UNIQUE.class_
    async with transaction(app.state.shared.database) as session:
        await session.execute(delete(table).where(demo.UNIQUE.in_(removed)))


class TestAdding:
    async def test_in_two_steps_makes_the_same_rows_as_in_one(
        self, app: FastAPI, demo: Any
    ) -> None:
        """Mutants: ignore the seed; start from number 1 each time."""
        database = app.state.shared.database
        await demo.add(database, 5, seed=7)
        at_once = await keys(app, demo)
        await remove(app, demo, *at_once)

        await demo.add(database, 3, seed=7)
        await demo.add(database, 2, seed=7)

        assert await keys(app, demo) == at_once

    async def test_skips_numbers_that_are_taken(self, app: FastAPI, demo: Any) -> None:
        """Mutant: continue from the number of rows in the table."""
        database = app.state.shared.database
        await demo.add(database, 5)
        first, *_ = await keys(app, demo)
        await remove(app, demo, first)

        await demo.add(database, 3)

        assert len(await keys(app, demo)) == 7

    async def test_fills_an_empty_table(self, app: FastAPI, demo: Any) -> None:
        database = app.state.shared.database
        empty = await is_empty(database, demo.UNIQUE)

        await demo.add(database, 1)

        assert (empty, await is_empty(database, demo.UNIQUE)) == (True, False)


async def test_progress_counts_every_row(app: FastAPI, demo: Any) -> None:
    steps: list[int] = []

    await demo.add(app.state.shared.database, 3, steps.append)

    async with transaction(app.state.shared.database) as session:
        count = select(func.count()).select_from(demo.UNIQUE.class_)
        assert sum(steps) == await session.scalar(count) == 3
