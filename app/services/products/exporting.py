"""Export of all products in constant memory."""

import csv
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from io import StringIO
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.models.product import Product
from app.db.postgresql import LIFT_TIMEOUTS, driver_of
from app.db.session import Database
from app.schemas.product import FileFormat, ProductRead
from app.services.products.files.rows import defused

BATCH = 1000
PRODUCT = Product.__table__.c
FIELDS = tuple(ProductRead.model_fields)
SELECT_ALL = select(*(PRODUCT[name] for name in FIELDS)).order_by(PRODUCT.id)
SNAPSHOT: dict[str, Any] = {
    "isolation_level": "REPEATABLE READ",
    "postgresql_readonly": True,
}
Rows = Sequence[Sequence[Any]]
Batches = AsyncGenerator[Rows]


async def export_products(
    database: Database, format_: FileFormat
) -> AsyncGenerator[bytes]:
    """Yield one consistent snapshot of all products, a batch at a time.

    The first chunk waits for the first rows, so that an earlier failure answers 503.
    """
    header, write = b"", write_ndjson
    if format_ == "csv":
        header, write = (",".join(FIELDS) + "\r\n").encode(), write_csv
    async with database.replica.connect() as connection:
        on_postgres = connection.dialect.name == "postgresql"
        read = read_postgres if on_postgres else read_sqlite
        async with aclosing(read(connection)) as batches:
            async for rows in batches:
                yield header + write(rows)
                header = b""
            yield header  # not yet sent if there are no products


async def read_postgres(connection: AsyncConnection) -> Batches:
    await connection.execution_options(**SNAPSHOT)
    await connection.execute(LIFT_TIMEOUTS)
    # The driver's own cursor, because SQLAlchemy's makes a round trip every 50 rows.
    async with driver_of(connection) as driver:
        cursor = await driver.cursor(str(SELECT_ALL.compile(connection.engine)))
        while rows := await cursor.fetch(BATCH):
            yield rows


async def read_sqlite(connection: AsyncConnection) -> Batches:
    options = {"yield_per": BATCH}
    result = await connection.stream(SELECT_ALL, execution_options=options)
    async for rows in result.partitions():
        yield rows


def write_ndjson(rows: Rows) -> bytes:
    option = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z
    return b"".join(
        orjson.dumps(dict(zip(FIELDS, row, strict=True)), default=str, option=option)
        for row in rows
    )


def write_csv(rows: Rows) -> bytes:
    """Put an apostrophe before text that a spreadsheet would run as a formula."""
    file = StringIO(newline="")
    csv.writer(file).writerows([_cell(value) for value in row] for row in rows)
    return file.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return defused(str(value)) if isinstance(value, str) else str(value)
