"""The schema's history: upgrade, downgrade, write a revision, look for drift."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.config import DatabaseSettings
from app.db import postgresql, sqlite

MIGRATIONS = Path(__file__).parent / "migrations"
ADVISORY_LOCK = 7234316346  # any number that nothing else locks in this database


class MigrationFailed(Exception):
    """What Alembic had to say, in one line."""


async def upgrade(settings: DatabaseSettings, revision: str = "head") -> None:
    await _run(settings, lambda config: command.upgrade(config, revision))


async def downgrade(settings: DatabaseSettings, revision: str) -> None:
    await _run(settings, lambda config: command.downgrade(config, revision))


async def write_revision(settings: DatabaseSettings, message: str) -> None:
    """Write a revision for the differences between the models and the database."""
    await _run(
        settings, lambda config: command.revision(config, message, autogenerate=True)
    )


async def check(settings: DatabaseSettings) -> None:
    """Raises `MigrationFailed` when the database is not as the models say."""
    await _run(settings, command.check)


async def _run(settings: DatabaseSettings, alembic: Callable[[Config], object]) -> None:
    def run(connection: Connection) -> None:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("path_separator", "os")
        alembic(config)

    engine = _create_engine(settings)
    try:
        async with _alone(engine), engine.connect() as connection:
            await connection.run_sync(run)
            await connection.commit()
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

    On SQLite the writer's transaction does it.
    """
    if engine.dialect.name != "postgresql":
        yield
        return
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as own:
        # A session lock on a connection of its own, so that it outlives transactions.
        await own.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
        try:
            yield
        finally:
            await own.execute(
                text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_LOCK}
            )
