"""Runs Alembic: upgrade, downgrade, write a revision, compare database and models."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from io import StringIO
from os import pathsep
from secrets import token_hex
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.operations.ops import MigrationScript
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.core.settings.database import DatabaseSettings
from app.db import postgresql, sqlite
from app.db.base import utc_now
from app.db.revisions import MIGRATIONS, OWN, RELEASED, Revisions
from app.db.session import Database

LOCK_TIMEOUT = text("SET lock_timeout = '1s'")
LOCK_ATTEMPTS = 10
OWN_BRANCH = "own"
ADVISORY_LOCK = 7234316346  # any number that nothing else locks in this database


class MigrationFailed(Exception):
    """The migration failed. The message tells the operator why, in one line."""


async def upgrade(settings: DatabaseSettings, revision: str = "heads") -> list[str]:
    """Run the missing revisions, and return them in order.

    Run none if the database has a revision of a newer release: after a rollback, the
    older release must start on the newer schema.
    """

    def run(config: Config) -> None:
        if not _unknown(config):
            command.upgrade(config, revision)

    return await _run(settings, run)


async def downgrade(settings: DatabaseSettings, revision: str) -> list[str]:
    """Take revisions back, and return them in order."""

    def run(config: Config) -> None:
        _refuse_unknown(config)
        command.downgrade(config, revision)

    return await _run(settings, run)


async def write_revision(
    settings: DatabaseSettings, message: str, *, empty: bool = False
) -> None:
    """Write a revision for the differences between the models and the database.

    The new revision follows your own newest revision, and depends on the newest
    revision of the release. It does not become a part of the history of the release.

    Raises:
        MigrationFailed: There is no difference, and `empty` is false.
    """

    def refuse_empty(_: object, __: object, found: list[MigrationScript]) -> None:
        operations = found[0].upgrade_ops
        if not empty and (operations is None or operations.is_empty()):
            raise MigrationFailed(
                "The database does not differ from the models. Use --empty for a "
                "revision that you write by hand."
            )

    def write(config: Config) -> None:
        command.revision(
            config,
            message,
            autogenerate=not empty,
            process_revision_directives=refuse_empty,
            **_place(config),
        )

    await _run(settings, write)


async def current(settings: DatabaseSettings) -> set[str]:
    """Return the newest revisions of the database: none, or one of each branch."""
    async with Database(settings) as database, database.reader.connect() as connection:
        return set(await connection.run_sync(_heads))


def _heads(connection: Connection) -> tuple[str, ...]:
    return MigrationContext.configure(connection).get_current_heads()


def _unknown(config: Config) -> set[str]:
    return set(_heads(config.attributes["connection"])) - Revisions(RELEASED, OWN).known


def _refuse_unknown(config: Config) -> None:
    if unknown := ", ".join(sorted(_unknown(config))):
        raise MigrationFailed(
            f"The database is at {unknown}, a revision of a newer release. "
            "Run this command with that release."
        )


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
    """Raise `MigrationFailed` if the database differs from the models."""

    def run(config: Config) -> None:
        _refuse_unknown(config)
        command.check(config)

    await _run(settings, run)


async def _run(
    settings: DatabaseSettings, alembic: Callable[[Config], object]
) -> list[str]:
    """Call `alembic`, and return the revisions that it ran or took back."""
    steps: list[str] = []

    def note(step: MigrationInfo, **_: object) -> None:
        steps.append(str(step.up_revision_id))

    def run(connection: Connection) -> None:
        steps.clear()  # the previous attempt was rolled back
        attributes = {"connection": connection, "on_version_apply": note}
        # Hide the output of Alembic: stdout belongs to the callers of these functions.
        config = Config(attributes=attributes, stdout=StringIO())
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("path_separator", "os")
        config.set_main_option("version_locations", f"{RELEASED}{pathsep}{OWN}")
        alembic(config)

    engine = _create_engine(settings)
    try:
        async with _alone(engine):
            await _run_when_free(engine, run)
    except CommandError as error:
        raise MigrationFailed(str(error)) from error
    finally:
        await engine.dispose()
    return steps


def _create_engine(settings: DatabaseSettings) -> AsyncEngine:
    if settings.database_url.startswith("sqlite"):
        # To change a table, Alembic copies and drops it. With foreign keys on, SQLite
        # would then delete the rows that refer to it.
        return sqlite.create_writer(settings, foreign_keys=False)
    return postgresql.create_engine(settings, settings.database_url, pool_size=2)


@asynccontextmanager
async def _alone(engine: AsyncEngine) -> AsyncGenerator[None]:
    """Wait until no other deployment migrates this database.

    SQLite needs no lock: one transaction runs all revisions, and there is one writer.
    """
    if engine.dialect.name != "postgresql":
        yield
        return
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as own:
        await own.execute(postgresql.LIFT_TIMEOUTS_FOR_GOOD)
        # This lock belongs to a connection and outlives transactions, so it needs a
        # connection of its own.
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
        # Begin before Alembic reads which revisions are missing. Alembic itself would
        # begin a transaction for each revision only after that, so that another process
        # could run the same revisions.
        await connection.begin()


async def _run_when_free(
    engine: AsyncEngine, work: Callable[[Connection], None]
) -> None:
    """Try again while a table that the migration changes is in use.

    Each attempt waits at most one second for the table. PostgreSQL makes every later
    query wait behind the migration, so a long wait would hold up the service.

    Raises:
        MigrationFailed: A table was in use at each attempt. Nothing has changed.
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
        "A table that the migration changes is in use. Find the transactions that use "
        "it in pg_stat_activity, end them, and try again."
    )
