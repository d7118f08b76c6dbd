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

from app.db.postgresql import LIFT_TIMEOUTS, copied
from app.db.session import Database
from app.schemas.product import FileFormat
from app.services.products.files.copying import (
    FIELDS,
    OPTIONS,
    PRODUCT,
    QUERIES,
    ROW_END,
)
from app.services.products.files.rows import defused

BATCH = 1000
SELECT_ALL = select(*(PRODUCT[name] for name in FIELDS)).order_by(PRODUCT.id)
SNAPSHOT: dict[str, Any] = {
    "isolation_level": "REPEATABLE READ",
    "postgresql_readonly": True,
}
Rows = Sequence[Sequence[Any]]


async def export_products(
    database: Database, format_: FileFormat
) -> AsyncGenerator[bytes]:
    """Yield one consistent snapshot of all products, many rows at a time.

    The first chunk contains the first rows, so that an error before them still gets its
    own status, such as 503.
    """
    header = (",".join(FIELDS) + "\r\n").encode() if format_ == "csv" else b""
    async with database.replica.connect() as connection:
        on_postgres = connection.dialect.name == "postgresql"
        read = read_postgres if on_postgres else read_sqlite
        async with aclosing(read(connection, format_)) as chunks:
            async for chunk in chunks:
                yield header + chunk
                header = b""
            yield header  # the header alone, if there are no products


async def read_postgres(
    connection: AsyncConnection, format_: FileFormat
) -> AsyncGenerator[bytes]:
    """Let PostgreSQL write the file. Python would need several times as long."""
    await connection.execution_options(**SNAPSHOT)
    await connection.execute(LIFT_TIMEOUTS)
    rows = copied(connection, QUERIES[format_], **OPTIONS[format_])
    async with aclosing(rows) as chunks:
        async for chunk in chunks:
            yield chunk.replace(ROW_END, b"\r\n") if format_ == "csv" else chunk


async def read_sqlite(
    connection: AsyncConnection, format_: FileFormat
) -> AsyncGenerator[bytes]:
    write = write_csv if format_ == "csv" else write_ndjson
    options = {"yield_per": BATCH}
    result = await connection.stream(SELECT_ALL, execution_options=options)
    async for rows in result.partitions():
        yield write(rows)


def write_ndjson(rows: Rows) -> bytes:
    option = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z
    return b"".join(
        orjson.dumps(dict(zip(FIELDS, row, strict=True)), default=str, option=option)
        for row in rows
    )


def write_csv(rows: Rows) -> bytes:
    """Write the rows, with an apostrophe before text that looks like a formula.

    Otherwise a spreadsheet would run this text.
    """
    file = StringIO(newline="")
    csv.writer(file).writerows([_cell(value) for value in row] for row in rows)
    return file.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return defused(str(value)) if isinstance(value, str) else str(value)
