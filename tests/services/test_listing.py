"""What a resource gets by declaring a `Listing`."""

from datetime import UTC, datetime
from itertools import count, product
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import bindparam, insert, select

from app.core.security import SecretRing
from app.core.tokens.cursor import CursorSigner
from app.db.models.product import StockMovement
from app.db.session import Database, transaction
from app.schemas.page import PageParameters
from app.services.listing import Listing, both_ways

ROW = StockMovement.__table__.c
SORTED = (ROW.delta, ROW.reason, ROW.created_at, ROW.product_id)
LISTING = Listing(
    select(ROW.id, *SORTED).where(ROW.stock_after == bindparam("owner")),
    both_ways(*SORTED, id=ROW.id),
    {
        "reason": ROW.reason == bindparam("reason"),
        "after": ROW.delta > bindparam("after"),
        "below": ROW.delta < bindparam("below"),
    },
    name="movements of {owner}",
)
OWNER, OTHER = 1, 2
cursors = CursorSigner(SecretRing(b"secret"))


class Query(PageParameters):
    limit: int = 2
    reason: str | None = None
    after: int | None = None
    below: int | None = None
    sort: str = "delta"


async def add_rows(database: Database) -> list[dict[str, Any]]:
    """Add rows of `OWNER`, two of each value, and one of `OTHER`; return the former."""
    numbers = count(1)
    rows = [
        {
            "id": UUID(int=next(numbers)),
            "product_id": UUID(int=1000 + value),
            "delta": value,
            "reason": str(value),
            "created_at": datetime(2026, 1, value, 0, 0, 0, value, UTC),
            "stock_after": OWNER,
        }
        for value, _ in product((8, 9, 10), range(2))
    ]
    other = rows[0] | {"id": UUID(int=next(numbers)), "stock_after": OTHER}
    async with transaction(database) as session:
        await session.execute(insert(StockMovement), [*rows, other])
    return rows


async def walk(database: Database, **query: Any) -> list[UUID]:
    ids: list[UUID] = []
    cursor, first = None, True
    while first or cursor is not None:
        parameters = Query(cursor=cursor, **query)
        page = await LISTING.page(database.read, cursors, parameters, owner=OWNER)
        ids += [item["id"] for item in page.items]
        cursor, first = page.next_cursor, False
    return ids


@pytest.fixture
def database(app: FastAPI) -> Database:
    database: Database = app.state.shared.database
    return database


@pytest.mark.parametrize("sort", LISTING.orders)
async def test_continues_after_a_value_of_any_type(
    database: Database, sort: str
) -> None:
    """Mutant: read the position back as text."""
    rows = await add_rows(database)

    ids = await walk(database, sort=sort)

    key, descending = sort.removeprefix("-"), sort.startswith("-")
    rows.sort(key=lambda row: (row[key], row["id"]), reverse=descending)
    assert ids == [row["id"] for row in rows]


@pytest.mark.parametrize(
    "filters", [{"reason": "9"}, {"after": 8}, {"after": 8, "below": 10}, {"below": 0}]
)
async def test_applies_the_filters_that_have_a_value(
    database: Database, filters: dict[str, Any]
) -> None:
    rows = await add_rows(database)

    ids = await walk(database, **filters)

    assert ids == [
        row["id"]
        for row in rows
        if filters.get("reason") in (None, row["reason"])
        and filters.get("after", 0) < row["delta"] < filters.get("below", 99)
    ]


async def test_builds_a_statement_once(database: Database) -> None:
    await add_rows(database)
    LISTING.statement.cache_clear()

    for after in (7, 8):
        await walk(database, after=after)

    assert LISTING.statement.cache_info().misses == 2  # the first page, and the others
