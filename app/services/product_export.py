"""All products, in constant memory."""

import csv
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from io import StringIO
from typing import Any

import orjson
from sqlalchemy import Row, select

from app.db.models import Product
from app.db.postgresql import LIFT_TIMEOUTS
from app.db.session import Database
from app.schemas.product import ProductRead
from app.schemas.product_import import FileFormat
from app.services.product_rows import defused

BATCH = 1000
PRODUCT = Product.__table__.c
SELECT_ALL = select(*(PRODUCT[name] for name in ProductRead.model_fields)).order_by(
    PRODUCT.id
)


async def export_products(
    database: Database, format_: FileFormat
) -> AsyncIterator[bytes]:
    """One consistent snapshot, from a transaction of its own, a batch at a time."""
    write: Callable[[Sequence[Row[Any]]], bytes] = write_ndjson
    if format_ == "csv":
        yield (",".join(ProductRead.model_fields) + "\r\n").encode()
        write = write_csv
    async with database.reader.connect() as connection:
        if connection.dialect.name == "postgresql":
            # Cursors live in transactions, which other readers do without.
            await connection.execution_options(isolation_level="REPEATABLE READ")
            await connection.execute(LIFT_TIMEOUTS)
        options = {"yield_per": BATCH}
        result = await connection.stream(SELECT_ALL, execution_options=options)
        async for rows in result.partitions():
            yield write(rows)


def write_ndjson(rows: Sequence[Row[Any]]) -> bytes:
    option = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z
    return b"".join(
        orjson.dumps(dict(row._mapping), default=str, option=option) for row in rows
    )


def write_csv(rows: Sequence[Row[Any]]) -> bytes:
    """Cells that a spreadsheet would run as formulas begin with an apostrophe."""
    file = StringIO(newline="")
    csv.writer(file).writerows([_cell(value) for value in row] for row in rows)
    return file.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return defused(str(value)) if isinstance(value, str) else str(value)
