"""`db copy` copies every row and every value from SQLite to PostgreSQL."""

import asyncio
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import JSON, Column, Enum, Numeric, Table, insert, select, text

from app.cli.console import LineProgress
from app.core.config import Settings
from app.db import copying
from app.db.base import Base
from app.db.session import Database, transaction
from testbed.service import command, make_environment
from tests.conftest import make_settings
from tests.notes.model import drop_table

ROWS = 3
TABLES = Base.metadata.sorted_tables
NOW = datetime(2026, 2, 3, 4, 5, 6, 789012, tzinfo=UTC)
VALUES: dict[type, Any] = {
    int: 2**31 - 1,
    bool: True,
    str: "Ünïcode 🦉\t\\N",
    bytes: b"\x00\xff\\N",
    datetime: NOW,
    date: NOW.date(),
}


def value(column: Column[Any], number: int, rows: dict[str, list[Any]]) -> Any:
    """Make up a value. The last row has NULL where a column allows it."""
    if column.nullable and number == ROWS - 1:
        return None
    for key in column.foreign_keys:
        return rows[key.column.table.name][number][key.column.name]
    if isinstance(column.type, Enum):
        return next(iter(column.type.enum_class or column.type.enums))
    if isinstance(column.type, JSON):
        return {"list": [1, None, "ü"], "number": number}
    kind = column.type.python_type
    if isinstance(column.type, Numeric) and kind is Decimal:
        digits, places = column.type.precision or 0, column.type.scale or 0
        return Decimal("9" * digits).scaleb(-places) - number
    made = VALUES.get(kind, uuid4())
    if kind is str:  # unique, and not longer than the column
        made = f"{number}{made}"[: getattr(column.type, "length", None) or 20]
    return bytes([number]) + made if kind is bytes else made


async def fill(database: Database) -> None:
    rows: dict[str, list[Any]] = {}
    async with transaction(database) as session:
        for table in TABLES:
            rows[table.name] = [
                {column.name: value(column, number, rows) for column in table.columns}
                for number in range(ROWS)
            ]
            await session.execute(insert(table), rows[table.name])


async def read(settings: Settings, table: Table) -> list[tuple[Any, ...]]:
    async with Database(settings) as database, transaction(database) as session:
        rows = await session.execute(select(table))
        return sorted((tuple(row) for row in rows), key=repr)


@pytest.fixture
async def source(sqlite_database_url: str) -> Settings:
    settings = make_settings(database_url=sqlite_database_url)
    async with Database(settings) as database:
        await drop_table(database.writer)
        await fill(database)
    return settings


@pytest.fixture
async def target(postgres_database_url: str) -> Settings:
    settings = make_settings(database_url=postgres_database_url)
    async with Database(settings) as database:
        await drop_table(database.writer)
    return settings


@pytest.fixture(params=[1, copying.BATCH], ids=["batches", "one batch"])
def batch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "BATCH", request.param)


async def test_every_table_has_the_same_values(
    source: Settings, target: Settings, batch: None
) -> None:
    """Mutants: leave a table or a column out; send the value of SQLite as it is."""
    counts = await copying.copy(source, target, LineProgress())

    assert counts == {table.name: ROWS for table in TABLES}
    for table in TABLES:
        assert await read(target, table) == await read(source, table), table.name


async def test_a_target_with_rows_is_refused(
    source: Settings, target: Settings
) -> None:
    """Mutant: add the rows to those of the target."""
    await copying.copy(source, target, LineProgress())

    with pytest.raises(copying.CopyFailed, match="has rows in"):
        await copying.copy(source, target, LineProgress())
    assert len(await read(target, TABLES[0])) == ROWS


async def test_another_revision_is_refused(source: Settings, target: Settings) -> None:
    """Mutant: copy the columns that both schemas have."""
    async with Database(target) as database, transaction(database) as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '0001'"))

    with pytest.raises(copying.CopyFailed, match="db upgrade"):
        await copying.copy(source, target, LineProgress())


async def test_nothing_stays_in_the_target_after_a_failure(
    source: Settings, target: Settings
) -> None:
    """Mutant: commit after each table."""
    last = TABLES[-1].name
    async with Database(target) as database, transaction(database) as session:
        await session.execute(text(f"ALTER TABLE {last} ADD CHECK (false) NO INHERIT"))

    with pytest.raises(copying.CopyFailed, match=f"table {last}: .*check constraint"):
        await copying.copy(source, target, LineProgress())
    assert await read(target, TABLES[0]) == []


async def test_the_command_prints_the_rows_of_each_table(
    source: Settings, target: Settings, tmp_path: Path
) -> None:
    """DATABASE_URL names the target.

    Mutant: require `--to`, so that the password is in the list of processes.
    """
    environment = make_environment(tmp_path, DATABASE_URL=target.database_url)
    line = ("db", "copy", "--from", source.database_url)

    copied, again = [
        await asyncio.to_thread(command, *line, environment=environment)
        for _ in range(2)
    ]

    assert copied.returncode == 0, copied.stderr
    assert f"users: {ROWS} rows\n" in copied.stdout
    assert re.search(r"^Copied \d+ rows in \d+\.\d s\.$", copied.stdout, re.MULTILINE)
    assert (again.returncode, again.stdout) == (1, "")
    assert "Traceback" not in again.stderr
    assert "has rows in" in again.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--from", "sqlite:///absent.db"), "absent.db does not exist"),
        (("--from", "mysql://host/name"), "--from must start with"),
    ],
)
def test_wrong_options_are_refused(
    options: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    environment = make_environment(tmp_path)

    ended = command("db", "copy", *options, environment=environment)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert said in ended.stderr
