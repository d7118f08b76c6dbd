"""The schema's history: upgrade, downgrade, write a revision, look for drift."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from os import pathsep
from pathlib import Path
from secrets import token_hex
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.core.config import DatabaseSettings
from app.db import postgresql, sqlite
from app.db.base import utc_now

LOCK_TIMEOUT = text("SET lock_timeout = '1s'")
LOCK_ATTEMPTS = 10
MIGRATIONS = Path(__file__).parent / "migrations"
RELEASED = MIGRATIONS / "versions"
OWN = MIGRATIONS / "own" / "versions"
OWN_BRANCH = "own"
ADVISORY_LOCK = 7234316346  # any number that nothing else locks in this database


class MigrationFailed(Exception):
    """What Alembic had to say, in one line."""


async def upgrade(settings: DatabaseSettings, revision: str = "heads") -> None:
    await _run(settings, lambda config: command.upgrade(config, revision))


async def downgrade(settings: DatabaseSettings, revision: str) -> None:
    await _run(settings, lambda config: command.downgrade(config, revision))


async def write_revision(settings: DatabaseSettings, message: str) -> None:
    """Write a revision for the differences between the models and the database.

    It goes on top of your own newest revision, and depends on the newest one of the
    release: so the history of the release never changes.
    """

    def write(config: Config) -> None:
        command.revision(config, message, autogenerate=True, **_place(config))

    await _run(settings, write)


def _place(config: Config) -> dict[str, Any]:
    revisions = list(ScriptDirectory.from_config(config).walk_revisions())
    released = [each for each in revisions if OWN_BRANCH not in each.branch_labels]
    [release_head] = (each.revision for each in released if each.is_head)
    begun = len(released) < len(revisions)
    return {
        "head": f"{OWN_BRANCH}@head" if begun else "base",
        "branch_label": None if begun else OWN_BRANCH,
        "depends_on": release_head,
        "rev_id": f"{utc_now():%Y%m%d}_{token_hex(4)}",
        "version_path": str(OWN),
    }


async def check(settings: DatabaseSettings) -> None:
    """Raises `MigrationFailed` when the database is not as the models say."""
    await _run(settings, command.check)


async def _run(settings: DatabaseSettings, alembic: Callable[[Config], object]) -> None:
    def run(connection: Connection) -> None:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("path_separator", "os")
        config.set_main_option("version_locations", f"{RELEASED}{pathsep}{OWN}")
        alembic(config)

    engine = _create_engine(settings)
    try:
        async with _alone(engine):
            await _without_a_queue(engine, run)
    except CommandError as error:
        raise MigrationFailed(str(error)) from error
    finally:
        await engine.dispose()


def _create_engine(settings: DatabaseSettings) -> AsyncEngine:
    if settings.database_url.startswith("sqlite"):
        # Changing a table there means to drop it, which would delete what refers to it.
        return sqlite.create_writer(settings, foreign_keys=False)
    return postgresql.create_engine(settings, settings.database_url, pool_size=2)


@asynccontextmanager
async def _alone(engine: AsyncEngine) -> AsyncGenerator[None]:
    """Wait for other migrations: two deployments must not run the same one.

    On SQLite the one transaction of all does it.
    """
    if engine.dialect.name != "postgresql":
        yield
        return
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as own:
        await own.execute(postgresql.LIFT_TIMEOUTS_FOR_GOOD)
        # A session lock on a connection of its own, so that it outlives transactions.
        await own.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
        try:
            yield
        finally:
            await own.execute(
                text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_LOCK}
            )


async def _prepare(connection: AsyncConnection) -> None:
    if connection.dialect.name == "postgresql":
        await connection.execute(postgresql.LIFT_TIMEOUTS_FOR_GOOD)
        await connection.execute(LOCK_TIMEOUT)
        await connection.commit()
    else:
        # Alembic would begin one for each revision, after it has read which are due.
        await connection.begin()


async def _without_a_queue(
    engine: AsyncEngine, work: Callable[[Connection], None]
) -> None:
    """Ask for a table that is in use a second at a time.

    Whoever comes after a migration that waits for a table waits behind it: a long
    query and a migration would stop the service until the query ends.

    Raises:
        MigrationFailed: it was always in use; nothing has changed.
    """
    for _ in range(LOCK_ATTEMPTS):
        try:
            async with engine.connect() as connection:
                await _prepare(connection)
                await connection.run_sync(work)
                await connection.commit()
                return
        except DBAPIError as error:
            if postgresql.sqlstate(error) != postgresql.LOCK_NOT_AVAILABLE:
                raise
        await asyncio.sleep(1)
    raise MigrationFailed(
        "A table that the migration changes is in use: end the transactions that "
        "hold it, see pg_stat_activity, then try again."
    )
