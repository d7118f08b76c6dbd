"""Pages, filters and statements of a `Listing`."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import bindparam, insert, select

from app.core.security import SecretRing
from app.core.tokens.cursor import CursorSigner
from app.db.models.user import User
from app.db.session import Database, transaction
from app.schemas.page import PageParameters
from app.services.listing import Listing, both_ways
from tests.notes.model import Note

ROW = Note.__table__.c
SORTED = (ROW.likes, ROW.text, ROW.budget, ROW.created_at, ROW.owner_id)
LISTING = Listing(
    select(ROW.id, *SORTED).where(ROW.version == bindparam("wanted")),
    both_ways(*SORTED, id=ROW.id),
    {
        "text": ROW.text == bindparam("text"),
        "after": ROW.likes > bindparam("after"),
        "below": ROW.likes < bindparam("below"),
    },
    name="notes of version {wanted}",
)
cursors = CursorSigner(SecretRing(b"secret"))


class Query(PageParameters):
    limit: int = 2
    text: str | None = None
    after: int | None = None
    below: int | None = None
    sort: str = "likes"


async def add_rows(database: Database) -> list[dict[str, Any]]:
    """Add two rows of each value, and return them. Also add one of another version."""
    numbers = count(1)
    rows = [
        {
            "id": UUID(int=next(numbers)),
            "owner_id": UUID(int=1000 + value),
            "title": str(next(numbers)),
            "likes": value,
            "text": str(value),
            "budget": Decimal(value),
            "created_at": datetime(2026, 1, value, 0, 0, 0, value, UTC),
            "version": 1,
        }
        for value in (8, 8, 9, 9, 10, 10)
    ]
    other = rows[0] | {"id": UUID(int=next(numbers)), "title": "x", "version": 2}
    owners = [
        User(id=owner, email=f"{owner}", email_canonical=f"{owner}", password_hash="")
        for owner in {row["owner_id"] for row in rows}
    ]
    async with transaction(database) as session:
        session.add_all(owners)
        await session.flush()
        connection = (
            await session.connection()
        )  # unlike a session, it does not set the version
        await connection.execute(insert(Note), [*rows, other])
    return rows


async def walk(database: Database, **query: Any) -> list[UUID]:
    ids: list[UUID] = []
    cursor, first = None, True
    while first or cursor is not None:
        parameters = Query(cursor=cursor, **query)
        page = await LISTING.page(database.read, cursors, parameters, wanted=1)
        ids += [item.id for item in page.items]
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
    """Mutant: read the position in the cursor as text."""
    rows = await add_rows(database)

    ids = await walk(database, sort=sort)

    key, descending = sort.removeprefix("-"), sort.startswith("-")
    rows.sort(key=lambda row: (row[key], row["id"]), reverse=descending)
    assert ids == [row["id"] for row in rows]


@pytest.mark.parametrize(
    "filters", [{"text": "9"}, {"after": 8}, {"after": 8, "below": 10}, {"below": 0}]
)
async def test_applies_the_filters_that_have_a_value(
    database: Database, filters: dict[str, Any]
) -> None:
    rows = await add_rows(database)

    ids = await walk(database, **filters)

    assert ids == [
        row["id"]
        for row in rows
        if filters.get("text") in (None, row["text"])
        and filters.get("after", 0) < row["likes"] < filters.get("below", 99)
    ]


async def test_builds_a_statement_once(database: Database) -> None:
    await add_rows(database)
    LISTING.statement.cache_clear()

    for after in (7, 8):
        await walk(database, after=after)

    assert (
        LISTING.statement.cache_info().misses == 2
    )  # one for the first page, one for all others
