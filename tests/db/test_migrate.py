"""The schema's one history, on both databases."""

import asyncio
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from app.core.config import Settings
from app.db import migrate
from app.db.session import Database, transaction
from testbed.service import command, make_environment

pytestmark = pytest.mark.usefixtures("without_notes")

# To write in SQLite they wait for the first to end, however slow the machine.
PATIENT_APP = """
from app.cli import main
from app.db import sqlite

sqlite.BUSY_TIMEOUT_SECONDS = 120
main()
"""


@pytest.fixture
async def database(settings: Settings) -> AsyncGenerator[Database]:
    database = Database(settings)
    yield database
    await database.close()


async def tables(database: Database) -> set[str]:
    rows = await database.read.all(
        text(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
            if database.writer.dialect.name == "sqlite"
            else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ),
        {},
    )
    return {row[0] for row in rows}


async def test_models_and_migrations_agree(settings: Settings) -> None:
    await migrate.check(settings)


async def test_finds_drift(settings: Settings, database: Database) -> None:
    async with transaction(database) as session:
        await session.execute(text("ALTER TABLE users ADD COLUMN shoe_size INTEGER"))

    with pytest.raises(migrate.MigrationFailed, match="shoe_size"):
        await migrate.check(settings)


async def test_goes_back_and_forth(settings: Settings, database: Database) -> None:
    full = await tables(database)

    await migrate.downgrade(settings, "base")
    assert await tables(database) <= {"alembic_version"}
    with pytest.raises(migrate.MigrationFailed, match="not up to date"):
        await migrate.check(settings)

    await migrate.upgrade(settings)
    assert await tables(database) == full


async def test_four_upgrades_at_once_all_succeed(
    settings: Settings, tmp_path: Path
) -> None:
    """Mutants: no lock; on SQLite, a transaction for each revision alone."""
    await migrate.downgrade(settings, "base")
    environment = make_environment(tmp_path, DATABASE_URL=settings.database_url)
    upgrade = partial(
        command, "db", "upgrade", environment=environment, program=("-c", PATIENT_APP)
    )

    upgrades = [asyncio.to_thread(upgrade) for _ in range(4)]

    for ended in await asyncio.gather(*upgrades):
        assert (ended.returncode, ended.stderr) == (0, "")
    await migrate.check(settings)
