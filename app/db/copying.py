"""Copies all rows from SQLite to PostgreSQL."""

from typing import Any, Protocol

import asyncpg
from sqlalchemy import Table, func, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

import app.db.models  # noqa: F401 - the tables of `Base.metadata`
from app.core.settings.database import DatabaseSettings
from app.db import postgresql, sqlite
from app.db.availability import availability
from app.db.base import Base
from app.db.revisions import IN_DATABASE

BATCH = 10_000


class Progress(Protocol):
    def begin(self, description: str, total: int, unit: str, /) -> None: ...
    def advance(self, count: int, /) -> None: ...


class CopyFailed(Exception):
    """The copy failed, and nothing has changed. The message says why, in one line."""


async def copy(
    source: DatabaseSettings, target: DatabaseSettings, progress: Progress
) -> dict[str, int]:
    """Copy all tables from one snapshot in one transaction. Return their row counts.

    Raises:
        CopyFailed: The target has rows, or another schema than the source.
    """
    old = sqlite.create_reader(source)
    new = postgresql.create_engine(target, target.database_url, pool_size=1)
    try:
        with availability():
            async with old.connect() as reader, new.begin() as writer:
                # The connection is in autocommit mode, so begin the snapshot here.
                await reader.exec_driver_sql("BEGIN")
                await writer.execute(postgresql.LIFT_TIMEOUTS_FOR_GOOD)
                await check(reader, writer)
                return {
                    table.name: await copy_table(table, reader, writer, progress)
                    for table in Base.metadata.sorted_tables
                }
    finally:
        await old.dispose()
        await new.dispose()


async def check(reader: AsyncConnection, writer: AsyncConnection) -> None:
    """Refuse a target whose schema differs, or that has rows. Lock its tables."""
    of_source, of_target = [
        set(await connection.scalars(IN_DATABASE)) for connection in (reader, writer)
    ]
    if of_source != of_target:
        raise CopyFailed(
            f"The source is at {', '.join(sorted(of_source))} and the target at "
            f"{', '.join(sorted(of_target)) or 'no revision'}. "
            "Run `db upgrade` on both with the same release."
        )
    tables = await writer.run_sync(lambda sync: inspect(sync).get_table_names())
    known = {*Base.metadata.tables, "alembic_version"}
    if unknown := set(tables) - known:
        raise CopyFailed(f"These tables have no model: {', '.join(sorted(unknown))}.")
    names = ", ".join(f'"{name}"' for name in Base.metadata.tables)
    await writer.execute(text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))
    for table in Base.metadata.sorted_tables:
        if await writer.scalar(select(select(table).exists())):
            raise CopyFailed(
                f"The target has rows in {table.name}. Copy into a new database."
            )


async def copy_table(
    table: Table, reader: AsyncConnection, writer: AsyncConnection, progress: Progress
) -> int:
    """Copy the rows, and return their number in the target."""
    count = select(func.count()).select_from(table)
    expected = await reader.scalar(count) or 0
    progress.begin(f"Copying {table.name}", expected, "rows")
    raw = await writer.get_raw_connection()
    driver: Any = raw.driver_connection
    columns = [column.name for column in table.columns]
    # Functions that convert the values of each column for the driver, or None.
    processes = [
        column.type.dialect_impl(writer.dialect).bind_processor(writer.dialect)
        for column in table.columns
    ]
    async with reader.stream(select(table)) as result:
        async for rows in result.partitions(BATCH):
            records = [
                [
                    value if process is None or value is None else process(value)
                    for process, value in zip(processes, row, strict=True)
                ]
                for row in rows
            ]
            try:
                await driver.copy_records_to_table(
                    table.name, records=records, columns=columns
                )
            except asyncpg.PostgresError as error:
                # Do not show the detail of the error, because it quotes the row.
                reason = error.args[0] if error.args else type(error).__name__
                raise CopyFailed(
                    f"PostgreSQL refused rows of the table {table.name}: {reason}"
                ) from error
            progress.advance(len(records))
    copied = await writer.scalar(count) or 0
    if copied != expected:
        raise CopyFailed(f"{table.name} has {expected} rows, and {copied} arrived.")
    # Without this, the planner knows nothing about the rows until autovacuum runs.
    await writer.execute(text(f'ANALYZE "{table.name}"'))
    return copied
