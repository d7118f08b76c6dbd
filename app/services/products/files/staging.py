"""The temporary table from which the rows of an import become products."""

from abc import ABC, abstractmethod
from decimal import Decimal
from itertools import takewhile
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BindParameter, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.db.base import Instant, utc_now
from app.db.postgresql import LIFT_TIMEOUTS, driver_of
from app.services.products.files.spool import COLUMNS, Rows, Spool

CREATE = """
CREATE TEMPORARY TABLE product_import (
    line integer, id {id}, sku text, name text, description text, price {price},
    currency text, stock bigint, category text, status text, title_words text,
    category_words text, description_words text
) {end}
"""
MARKS = ", ".join("?" * len(COLUMNS))
INSERT = f"INSERT INTO product_import {COLUMNS} VALUES ({MARKS})"  # noqa: S608
# One import at a time, because two that write the same products could deadlock.
WAIT_FOR_OTHERS = "SELECT pg_advisory_xact_lock(7234316347)"
FIND_REPEATED = """
SELECT line FROM (
    SELECT line, row_number() OVER (PARTITION BY sku ORDER BY line) AS nth
    FROM product_import
) AS numbered WHERE nth > 1
"""
FIRST_REPEATED = f"{FIND_REPEATED} ORDER BY line LIMIT :most"
DROP_REPEATED = f"DELETE FROM product_import WHERE line IN ({FIND_REPEATED})"  # noqa: S608
# Do not use `WHERE NOT EXISTS` here: with old statistics, PostgreSQL can scan all
# products for each row.
INSERT_NEW = """
INSERT INTO products
    (id, sku, name, description, price, currency, stock, category, status, version,
     title_words, category_words, description_words, created_at, updated_at)
SELECT s.id, s.sku, s.name, s.description, s.price, s.currency, coalesce(s.stock, 0),
    s.category, coalesce(s.status, 'draft'), 1,
    s.title_words, s.category_words, s.description_words, :now, :now
FROM product_import AS s
WHERE true
ON CONFLICT (sku) DO NOTHING
"""
# A new product gets the id of its row. A known product, one that existed before, keeps
# its own id, and the id of its row becomes the id of the stock movement. So a product
# is known if the two ids differ.
KNOWN = "FROM product_import AS s JOIN products AS p ON p.sku = s.sku AND p.id <> s.id"
COUNT_ROWS = "SELECT count(*) FROM product_import"
# If a row leaves out a field, the product keeps the old value of this field.
SAME = " AND ".join(
    [f"s.{name} = p.{name}" for name in ("name", "price", "currency")]
    + [
        f"(s.{name} IS NULL OR s.{name} = p.{name})"
        for name in ("description", "stock", "category", "status")
    ]
)
COUNT_KNOWN = f"""
SELECT count(*), count(*) FILTER (WHERE same)
FROM (SELECT {SAME} AS same {KNOWN} {{locking}}) AS known
"""  # noqa: S608
LOG_MOVEMENTS = f"""
INSERT INTO stock_movements
    (id, product_id, delta, stock_after, reason, actor_id, created_at)
SELECT s.id, p.id, s.stock - p.stock, s.stock, 'import', :actor_id, :now
{KNOWN} WHERE s.stock <> p.stock
"""
UPDATE_KNOWN = """
UPDATE products AS p SET
    name = s.name, description = coalesce(s.description, p.description),
    price = s.price, currency = s.currency, stock = coalesce(s.stock, p.stock),
    category = coalesce(s.category, p.category), status = coalesce(s.status, p.status),
    title_words = s.title_words,
    category_words = coalesce(s.category_words, p.category_words),
    description_words = coalesce(s.description_words, p.description_words),
    version = p.version + 1, updated_at = :now
FROM product_import AS s WHERE p.sku = s.sku AND p.id <> s.id
"""
TYPED: dict[str, BindParameter[Any]] = {
    "actor_id": bindparam("actor_id", type_=Uuid()),
    "now": bindparam("now", type_=Instant),
}


class Staging(ABC):
    """A temporary table that lives as long as the transaction."""

    create: ClassVar[str]
    locking = ""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.unchanged = 0  # rows that would not change their product

    async def fill(self, spool: Spool) -> None:
        """Create the table, and fill it with all rows."""
        await self.session.execute(text(self.create))
        connection = await self.session.connection()
        for rows in spool:
            await self._insert(connection, rows)

    @abstractmethod
    async def _insert(self, connection: AsyncConnection, rows: Rows) -> None: ...

    async def drop_repeated(self, most: int) -> tuple[int, list[int]]:
        """Drop rows with the SKU of an earlier row.

        Return the number of these rows, and the lines of the first `most` of them.
        """
        lines = await self.session.scalars(text(FIRST_REPEATED), {"most": most})
        first = list(lines)
        return (await self._execute(DROP_REPEATED) if first else 0), first

    async def upsert(self, actor_id: UUID | None) -> tuple[int, int]:
        """Create or update products. Return the numbers of created and updated ones.

        If another transaction creates or changes one of these products, wait for that
        transaction, and then update the product.
        """
        rows = await self.session.scalar(text(COUNT_ROWS))
        lock = text(COUNT_KNOWN.format(locking=self.locking))
        created = known = 0
        while created + known < rows:  # repeat if another request has changed a SKU
            created += await self._execute(INSERT_NEW, now=utc_now())
            known, self.unchanged = (await self.session.execute(lock)).one()
        now = utc_now()  # after the lock, so later than all other changes
        await self._execute(LOG_MOVEMENTS, actor_id=actor_id, now=now)
        return created, await self._execute(UPDATE_KNOWN, now=now)

    async def _execute(self, statement: str, **values: Any) -> int:
        bound = text(statement).bindparams(*(TYPED[name] for name in values))
        result = await self.session.execute(bound, values)
        return result.rowcount  # type: ignore[attr-defined, no-any-return]


class PostgresStaging(Staging):
    """Fills the table by COPY, and waits for other imports to end."""

    create = CREATE.format(id="uuid", price="numeric(14, 2)", end="ON COMMIT DROP")
    locking = "FOR UPDATE OF p"

    async def fill(self, spool: Spool) -> None:
        await self.session.execute(LIFT_TIMEOUTS)
        await super().fill(spool)
        await self.session.execute(text("ANALYZE product_import"))
        await self.session.execute(text(WAIT_FOR_OTHERS))

    async def _insert(self, connection: AsyncConnection, rows: Rows) -> None:
        async with driver_of(connection) as driver:
            # Stop when the connection is lost: each further write would log a warning.
            records = takewhile(lambda _: not driver.is_closed(), rows)
            await driver.copy_records_to_table(
                "product_import", records=records, columns=COLUMNS
            )


class SqliteStaging(Staging):
    """Stores prices in cents, and ids as text."""

    create = CREATE.format(id="text", price="bigint", end="")

    async def _insert(self, connection: AsyncConnection, rows: Rows) -> None:
        stored = [(*row, int(Decimal(price).scaleb(2))) for *row, price in rows]
        await connection.exec_driver_sql(INSERT, stored)

    async def upsert(self, actor_id: UUID | None) -> tuple[int, int]:
        counts = await super().upsert(actor_id)
        await self.session.execute(text("DROP TABLE temp.product_import"))
        return counts
