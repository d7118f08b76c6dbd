"""Engines for SQLite: one connection that writes, several that read.

A deferred BEGIN loses updates, or fails at once with "database is locked" in spite of
the busy timeout. BEGIN IMMEDIATE waits until the other transaction ends. Writers of one
process wait for the only connection of the pool. Writers of different processes wait
for SQLite's lock.
"""

import os
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.core.settings.database import DatabaseSettings
from app.db.timing import MeasuredPool, measure

BUSY_TIMEOUT_SECONDS = 8.0  # shorter than the deadline of a request


def create_writer(
    settings: DatabaseSettings, *, foreign_keys: bool = True
) -> AsyncEngine:
    file = Path(make_url(settings.database_url).database or "")
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Create the file here, because the error of `os.open` names the file. The error of
    # the driver does not, and after it the thread of the driver would never end. The
    # mode is 600, because the outbox contains valid links. SQLite gives the same mode
    # to its other files, such as the WAL.
    os.close(os.open(file, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
    engine = _create_engine(
        settings,
        1,
        "PRAGMA journal_mode = WAL",
        f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}",
    )

    @event.listens_for(engine.sync_engine, "begin")
    def begin_immediate(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(engine.sync_engine, "checkin")
    def end_transaction(connection: Any, _: Any) -> None:
        # SQLAlchemy assumes that a failed COMMIT has ended the transaction. It has not.
        if connection and connection.driver_connection.in_transaction:
            connection.rollback()

    return engine


def create_reader(settings: DatabaseSettings) -> AsyncEngine:
    return _create_engine(
        settings, settings.db_pool_size, "PRAGMA query_only = ON"
    ).execution_options(isolation_level="AUTOCOMMIT")


def lower(text: str | None) -> str | None:
    """Lower every letter, as PostgreSQL does. SQLite's own `lower` knows only ASCII."""
    return text and text.lower()


def _create_engine(
    settings: DatabaseSettings, pool_size: int, *pragmas: str
) -> AsyncEngine:
    engine = create_async_engine(
        settings.database_url,
        echo=settings.debug,
        hide_parameters=True,
        poolclass=MeasuredPool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT_SECONDS,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "isolation_level": None},
    )

    measure(engine.sync_engine)

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        # With `synchronous = NORMAL` in WAL mode, a power failure can lose the last
        # commits.
        for pragma in ("PRAGMA synchronous = FULL", *pragmas):
            cursor.execute(pragma)
        cursor.close()
        connection.create_function("lower", 1, lower, deterministic=True)

    return engine
