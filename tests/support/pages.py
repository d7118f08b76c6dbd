"""Checks of lists that change while a client reads them page by page."""

from asyncio import Event, TaskGroup
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any
from uuid import UUID

from app.db.session import Database, transaction
from tests.support.people import Client

Query = dict[str, str]
Make = Callable[[int, UUID], Any]  # a row at a position, of the user with this id
Change = Callable[[Iterable[str]], Awaitable[None]]
Expect = Callable[[Iterable[Any], Query], list[str]]

START = datetime(2999, 1, 1, tzinfo=UTC)  # newer than the rows of the fixtures
FIRST, LAST = 0, 9
POSITIONS = [number // 3 for number in range(3, 15)]  # positions 1-4, three rows each
chance = Random(7)  # noqa: S311


def times(position: int) -> dict[str, Any]:
    """Return a random id and times that grow with the position.

    Because ids are random, rows with equal times do not sort as they were added.
    """
    instant = START + timedelta(hours=position)
    return {"id": UUID(int=chance.getrandbits(128)), "created_at": instant}


class Lists:
    """Reads lists as an administrator, and adds and removes rows."""

    def __init__(self, database: Database, admin: Client) -> None:
        self.database = database
        self.admin = admin
        self.id = UUID(admin.user_id)
        self.added: dict[str, Any] = {}

    async def add(self, rows: Iterable[Any]) -> None:
        self.added |= {str(row.id): row for row in rows}
        async with transaction(self.database) as session:
            session.add_all(rows)

    async def add_one(self, make: Make, position: int, _: Iterable[str]) -> None:
        await self.add([make(position, self.id)])

    async def remove(self, ids: Iterable[str]) -> None:
        """Delete the rows with these ids, if this object has added them."""
        async with transaction(self.database) as session:
            for row in [self.added.pop(each) for each in ids if each in self.added]:
                await session.delete(row)

    async def walk(self, path: str, query: Query, change: Change) -> list[str]:
        """Read page by page; call `change` after each page with the ids in it."""
        seen: list[str] = []
        query = {**query, "limit": "2"}
        while query.get("cursor", "") is not None:
            answer = await self.admin.get(path.format(id=self.id), params=query)
            page = answer.json()
            ids = [item["id"] for item in page["items"]]
            assert not {*ids} & {*seen}, f"{path} {query} repeats"
            seen += ids
            query["cursor"] = page["next_cursor"]
            await change(ids)
        return seen


def of(rows: Iterable[Any], seen: Iterable[str]) -> list[str]:
    ids = {str(row.id) for row in rows}
    return [each for each in seen if each in ids]


def by_time(rows: Iterable[Any], query: Query) -> list[str]:
    """Return the ids in the order of the list.

    Each column that a query sorts by grows with the time.
    """

    def key(row: Any) -> tuple[datetime, UUID]:
        return getattr(row, "occurred_at", None) or row.created_at, row.id

    return [str(row.id) for row in sorted(rows, key=key, reverse=descends(query))]


def descends(query: Query) -> bool:
    return query.get("sort", "-").startswith("-")


async def check_changing_list(
    lists: Lists,
    path: str,
    make: Make,
    queries: Sequence[Query],
    *,
    append_only: bool,
    expected: Expect = by_time,
) -> None:
    """Read a list while rows are added, and then again while rows are removed.

    These are two walks, because a fault in one could hide a fault in the other.
    """
    for query in queries:
        rows = [make(position, lists.id) for position in POSITIONS]
        await lists.add(rows)
        before = LAST if descends(query) else FIRST

        changes: list[Change] = [partial(lists.add_one, make, before), lists.remove]
        for change in changes[: 1 if append_only else 2]:
            seen = await lists.walk(path, query, change)
            assert of(rows, seen) == expected(rows, query), query


async def check_list_between_writers(
    lists: Lists,
    path: str,
    make: Make,
    queries: Sequence[Query],
    expected: Expect = by_time,
) -> None:
    """Let three writers add and delete rows; at least one writes before each page."""
    rows = [make(position, lists.id) for position in POSITIONS]
    await lists.add(rows)
    written, finished = Event(), Event()

    async def write() -> None:
        mine: deque[Any] = deque()
        while not finished.is_set():
            mine.append(make(chance.randint(FIRST, LAST), lists.id))
            await lists.add([mine[-1]])
            written.set()
            if len(mine) > 3:
                await lists.remove([str(mine.popleft().id)])

    async def others_write(_: Iterable[str]) -> None:
        written.clear()
        await written.wait()

    async with TaskGroup() as group:
        for _ in range(3):
            group.create_task(write())
        for query in queries:
            seen = await lists.walk(path, query, others_write)
            assert of(rows, seen) == expected(rows, query), query
        finished.set()
