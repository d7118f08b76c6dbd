"""Adds made-up rows to the table of a resource."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import exists, func, insert, select
from sqlalchemy.orm import InstrumentedAttribute

from app.db.session import Database, transaction

BATCH = 1000

Advance = Callable[[int], None]


def ignore(_: int) -> None:
    """Show no progress."""


async def is_empty(database: Database, unique: InstrumentedAttribute[str]) -> bool:
    async with transaction(database) as session:
        return not await session.scalar(select(exists(select(unique))))


async def add_rows(
    database: Database,
    unique: InstrumentedAttribute[str],
    make: Callable[[int], dict[str, Any]],
    count: int,
    advance: Advance,
) -> None:
    """Add `count` rows in one transaction.

    If the table has `n` rows, the numbers of the new rows begin at `n + 1`.
    """
    table = unique.class_
    async with transaction(database) as session:
        number = await session.scalar(select(func.count()).select_from(table)) or 0
        while count:
            rows = [make(number + n) for n in range(1, min(count, BATCH) + 1)]
            number += len(rows)
            # After deletions, the table can already contain rows with these numbers.
            # Skip such numbers.
            found = select(unique).where(unique.in_([row[unique.key] for row in rows]))
            taken = set(await session.scalars(found))
            rows = [row for row in rows if row[unique.key] not in taken]
            if rows:
                await session.execute(insert(table), rows)
            count -= len(rows)
            advance(len(rows))
