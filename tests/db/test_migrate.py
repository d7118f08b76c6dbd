"""Migrations, on both databases."""

import asyncio
import re
from collections.abc import AsyncGenerator
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import text

from app.core.config import Settings
from app.db import migrate
from app.db.revisions import RELEASED
from app.db.session import Database, transaction
from testbed.service import command, make_environment
from tests.support.revisions import of_the_release_alone

pytestmark = pytest.mark.usefixtures("without_notes")

# On SQLite the other upgrades must wait until the first one ends, which can be slow.
PATIENT_APP = """
from app.cli import main
from app.db import sqlite

sqlite.BUSY_TIMEOUT_SECONDS = 120
main()
"""

REVISIONS = sorted(file.name[:4] for file in RELEASED.glob("0*.py"))
OBJECTS = {
    "sqlite": "SELECT name FROM sqlite_master",
    "postgresql": """
        SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION SELECT proname::text FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace
        UNION SELECT typname::text FROM pg_type
        WHERE typnamespace = 'public'::regnamespace
        UNION SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal
    """,
}


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


async def objects(database: Database) -> set[str]:
    """Name the tables, indexes, triggers, functions and types of the schema."""
    found = await database.read.all(text(OBJECTS[database.writer.dialect.name]), {})
    return {row[0] for row in found if "alembic" not in row[0]}


async def change(database: Database, statement: str) -> None:
    async with transaction(database) as session:
        await session.execute(text(statement))


async def test_models_and_migrations_agree(settings: Settings) -> None:
    await migrate.check(settings)


async def test_check_finds_a_column_without_a_migration(
    settings: Settings, database: Database
) -> None:
    async with transaction(database) as session:
        await session.execute(text("ALTER TABLE users ADD COLUMN shoe_size INTEGER"))

    with pytest.raises(migrate.MigrationFailed, match="shoe_size"):
        await migrate.check(settings)


async def test_downgrades_to_nothing_and_upgrades_again(
    settings: Settings, database: Database
) -> None:
    full = await tables(database)

    await migrate.downgrade(settings, "base")
    assert await tables(database) <= {"alembic_version"}
    with pytest.raises(migrate.MigrationFailed, match="not up to date"):
        await migrate.check(settings)

    await migrate.upgrade(settings)
    assert await tables(database) == full


async def test_each_downgrade_removes_all_objects_of_its_revision(
    settings: Settings, database: Database
) -> None:
    """Mutants: keep a function or a table of the search; drop the audit's function."""
    await migrate.downgrade(settings, "base")
    before = await objects(database)
    left = []
    for revision in REVISIONS:
        left.append(await objects(database))
        await migrate.upgrade(settings, revision)
    assert left[0] == before
    assert all(fewer < more for fewer, more in pairwise(left))

    for expected in reversed(left):
        await migrate.downgrade(settings, "-1")
        assert await objects(database) == expected


@of_the_release_alone
async def test_own_revisions_are_kept_apart_from_the_released_ones(
    settings: Settings,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mutants: upgrade to `head`; begin a branch with each file; omit `depends_on`."""
    monkeypatch.setattr(migrate, "OWN", tmp_path)
    full, released = await objects(database), texts(RELEASED)

    for shoe in ("blue", "red"):
        await change(database, f"ALTER TABLE users ADD COLUMN {shoe} INTEGER")
        await migrate.write_revision(settings, f"Drop {shoe} shoe")
        await migrate.upgrade(settings)
        await migrate.check(settings)

    first, second = sorted(texts(tmp_path).items(), key=lambda each: "red" in each[0])
    [revision] = re.findall(r"^(20\d{6}_[0-9a-f]{8})_drop_blue_shoe\.py$", first[0])
    assert "\nbranch_labels: str | Sequence[str] | None = ('own',)\n" in first[1]
    newest = f"\ndepends_on: str | Sequence[str] | None = '{REVISIONS[-1]}'\n"
    assert newest in first[1]
    assert f"\ndown_revision: str | None = '{revision}'\n" in second[1]
    assert texts(RELEASED) == released
    await migrate.downgrade(settings, "own@-1")
    await migrate.upgrade(settings)
    assert await objects(database) == full
    await migrate.downgrade(
        settings, REVISIONS[-2]
    )  # downgrades the revisions of the copy first
    assert await objects(database) < full


@of_the_release_alone
async def test_refuses_an_empty_revision_unless_asked(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutant: write a revision that changes nothing, but that looks like a change."""
    monkeypatch.setattr(migrate, "OWN", tmp_path)

    with pytest.raises(migrate.MigrationFailed, match="does not differ"):
        await migrate.write_revision(settings, "Nothing")
    assert texts(tmp_path) == {}

    await migrate.write_revision(settings, "Nothing", empty=True)
    assert len(texts(tmp_path)) == 1


def texts(directory: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in directory.glob("*.py")}


async def test_four_concurrent_upgrades_all_succeed(
    settings: Settings, tmp_path: Path
) -> None:
    """Mutants: take no lock; on SQLite, use a transaction for each revision."""
    await migrate.downgrade(settings, "base")
    environment = make_environment(tmp_path, DATABASE_URL=settings.database_url)
    upgrade = partial(
        command, "db", "upgrade", environment=environment, program=("-c", PATIENT_APP)
    )

    upgrades = [asyncio.to_thread(upgrade) for _ in range(4)]

    for ended in await asyncio.gather(*upgrades):
        assert (ended.returncode, ended.stderr) == (0, "")
    await migrate.check(settings)
