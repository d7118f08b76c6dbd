"""Where an import's rows wait until all of them have been read."""

import marshal
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from tempfile import TemporaryFile
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.db.base import Instant, utc_now
from app.db.postgresql import LIFT_TIMEOUTS
from app.schemas.product_import import ProductRow

GIVEN = ("sku", "name", "description", "currency", "stock", "category", "status")
COLUMNS = ("line", "id", *GIVEN, "price")
CREATE = """
CREATE TEMPORARY TABLE product_import (
    line integer, id {id}, sku text, name text, description text, price {price},
    currency text, stock bigint, category text, status text
) {end}
"""
# Two imports at once could wait for each other's products for ever.
WAIT_FOR_OTHERS = "SELECT pg_advisory_xact_lock(7234316347)"
FIND_REPEATED = """
SELECT line FROM (
    SELECT line, row_number() OVER (PARTITION BY sku ORDER BY line) AS nth
    FROM product_import
) AS numbered WHERE nth > 1
"""
FIRST_REPEATED = f"{FIND_REPEATED} ORDER BY line LIMIT :most"
DROP_REPEATED = f"DELETE FROM product_import WHERE line IN ({FIND_REPEATED})"  # noqa: S608
# Not `WHERE NOT EXISTS`: for each row it may scan a table that was empty a moment ago.
INSERT_NEW = """
INSERT INTO products
    (id, sku, name, description, price, currency, stock, category, status, version,
     created_at, updated_at)
SELECT s.id, s.sku, s.name, s.description, s.price, s.currency, coalesce(s.stock, 0),
    s.category, coalesce(s.status, 'draft'), 1, :now, :now
FROM product_import AS s
WHERE true
ON CONFLICT (sku) DO NOTHING
"""
# A row's own id is its product's, if that is new; if not, it is free for a movement.
LOG_MOVEMENTS = """
WITH known AS (
    SELECT s.id, p.id AS product_id, p.stock AS stock_before, s.stock AS stock_after
    FROM product_import AS s JOIN products AS p ON p.sku = s.sku AND p.id <> s.id
    {locking}
)
INSERT INTO stock_movements
    (id, product_id, delta, stock_after, reason, actor_id, created_at)
SELECT id, product_id, stock_after - stock_before, stock_after, 'import', :actor_id,
    :now
FROM known WHERE stock_after <> stock_before
"""
# What a row leaves out stays as it is.
UPDATE_KNOWN = """
UPDATE products AS p SET
    name = s.name, description = coalesce(s.description, p.description),
    price = s.price, currency = s.currency, stock = coalesce(s.stock, p.stock),
    category = coalesce(s.category, p.category), status = coalesce(s.status, p.status),
    version = p.version + 1, updated_at = :now
FROM product_import AS s WHERE p.sku = s.sku AND p.id <> s.id
"""
TYPED: dict[str, BindParameter[Any]] = {
    "actor_id": bindparam("actor_id", type_=Uuid()),
    "now": bindparam("now", type_=Instant),
}

Numbered = tuple[int, ProductRow]


class Staging(ABC):
    """A temporary table, and what to do with it; it ends with the transaction."""

    locking = ""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    @abstractmethod
    async def add(self, products: Sequence[Numbered]) -> None: ...

    @abstractmethod
    async def complete(self) -> None:
        """Have all rows in the table, and no other import beside this one."""

    async def drop_repeated(self, most: int) -> tuple[int, list[int]]:
        """Drop rows whose SKU an earlier one has: how many, and the first lines."""
        lines = await self.session.scalars(text(FIRST_REPEATED), {"most": most})
        first = list(lines)
        return (await self._execute(DROP_REPEATED) if first else 0), first

    async def upsert(self, actor_id: UUID | None) -> tuple[int, int]:
        """How many products were created, and how many updated.

        What others create until then is waited for, and updated.
        """
        now = utc_now()
        created = await self._execute(INSERT_NEW, now=now)
        log = LOG_MOVEMENTS.format(locking=self.locking)
        await self._execute(log, actor_id=actor_id, now=now)
        return created, await self._execute(UPDATE_KNOWN, now=now)

    async def _execute(self, statement: str, **values: Any) -> int:
        bound = text(statement).bindparams(*(TYPED[name] for name in values))
        result = await self.session.execute(bound, values)
        return result.rowcount  # type: ignore[attr-defined, no-any-return]

    def close(self) -> None:  # noqa: B027 - often there is nothing
        """Give back what the database does not."""


class PostgresStaging(Staging):
    """Copies rows into the table as they come."""

    locking = "FOR UPDATE OF p"
    connection: Any = None

    async def add(self, products: Sequence[Numbered]) -> None:
        if self.connection is None:
            await self._begin()
        rows = ((n, uuid7(), *values(p), p.price) for n, p in products)
        await self.connection.copy_records_to_table(
            "product_import", records=rows, columns=COLUMNS
        )

    async def complete(self) -> None:
        if self.connection is None:
            await self._begin()
        await self.session.execute(text("ANALYZE product_import"))
        await self.session.execute(text(WAIT_FOR_OTHERS))

    async def _begin(self) -> None:
        await self.session.execute(LIFT_TIMEOUTS)
        end = "ON COMMIT DROP"
        await self.session.execute(
            text(CREATE.format(id="uuid", price="numeric(14, 2)", end=end))
        )
        connection = await self.session.connection()
        raw = await connection.get_raw_connection()
        self.connection = raw.driver_connection


class SqliteStaging(Staging):
    """Keeps rows in a file: while a slow client sends, others want to write."""

    def __init__(self, session: AsyncSession) -> None:
        super().__init__(session)
        self.file = TemporaryFile()  # noqa: SIM115 - closed by `close`
        self.batches = 0

    async def add(self, products: Sequence[Numbered]) -> None:
        rows = [
            (n, uuid7().hex, *values(p), int(p.price.scaleb(2))) for n, p in products
        ]
        marshal.dump(rows, self.file)
        self.batches += 1

    async def complete(self) -> None:
        await self.session.execute(text("DROP TABLE IF EXISTS temp.product_import"))
        await self.session.execute(
            text(CREATE.format(id="text", price="bigint", end=""))
        )
        marks = ", ".join("?" * len(COLUMNS))
        insert = f"INSERT INTO product_import {COLUMNS} VALUES ({marks})"  # noqa: S608
        connection = await self.session.connection()
        self.file.seek(0)
        for _ in range(self.batches):
            rows = marshal.load(self.file)  # noqa: S302 - written above
            await connection.exec_driver_sql(insert, rows)

    def close(self) -> None:
        self.file.close()


def values(product: ProductRow) -> Iterable[Any]:
    """The fields of a row; None for what it leaves out."""
    given = product.model_fields_set
    return (
        product.sku,
        product.name,
        product.description,
        product.currency,
        product.stock if "stock" in given else None,
        product.category,
        product.status if "status" in given else None,
    )
