"""Engines for PostgreSQL by asyncpg, directly or behind PgBouncer."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.core.config import DatabaseSettings
from app.core.errors import DatabaseUnavailable

SET_TIMEOUTS = """
SELECT set_config(name, '0', {only_this_transaction}) FROM pg_settings
WHERE name IN ('statement_timeout', 'lock_timeout', 'transaction_timeout',
    'idle_in_transaction_session_timeout', 'idle_session_timeout')
"""
# A request's time is too short for whole tables.
LIFT_TIMEOUTS = text(SET_TIMEOUTS.format(only_this_transaction="true"))
LIFT_TIMEOUTS_FOR_GOOD = text(SET_TIMEOUTS.format(only_this_transaction="false"))

LOCK_NOT_AVAILABLE = "55P03"
# Trying again helps: a deadlock, a conflict of transactions, a timeout of the server.
PASSING = {"40001", "40P01", LOCK_NOT_AVAILABLE, "57014"}


def create_engine(
    settings: DatabaseSettings, url: str, *, pool_size: int | None = None
) -> AsyncEngine:
    connect_args: dict[str, Any] = {
        "timeout": settings.db_connect_timeout_seconds,
        "server_settings": {"application_name": settings.app_name.lower()},
    }
    if settings.db_pooler == "pgbouncer":
        # In transaction mode a prepared statement may meet another server.
        connect_args |= {
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: f"__{uuid4()}__",
        }
    engine = create_async_engine(
        url,
        echo=settings.debug,
        hide_parameters=True,
        pool_size=pool_size or settings.db_pool_size,
        max_overflow=settings.db_max_overflow,
        pool_timeout=settings.db_pool_timeout_seconds,
        pool_recycle=1800,
        pool_use_lifo=True,
        connect_args=connect_args,
    )
    event.listen(engine.sync_engine, "do_connect", connect)
    event.listen(engine.sync_engine, "connect", stop_writing_when_lost)
    event.listen(engine.sync_engine, "checkout", refuse_closed)
    return engine


def create_reader(settings: DatabaseSettings, engine: AsyncEngine) -> AsyncEngine:
    """Read without transactions, on the connections of `engine`."""
    if settings.db_pooler == "pgbouncer":
        # It would prepare a statement on one server and, outside of a transaction,
        # run it on another.
        return engine
    return engine.execution_options(isolation_level="AUTOCOMMIT")


@asynccontextmanager
async def driver_of(connection: AsyncConnection) -> AsyncGenerator[Any]:
    """What is below SQLAlchemy, for what it has not; errors are raised as it would."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    try:
        yield driver
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        gone = driver.is_closed()
        if gone:  # or the rollback fails, too, and is what the log tells of
            await connection.invalidate(error)
        raise DBAPIError(None, None, error, connection_invalidated=gone) from error


def sqlstate(error: DBAPIError) -> str | None:
    """What the server calls the error; SQLite has no such names."""
    return getattr(error.orig, "sqlstate", None)


def connect(dialect: Dialect, _: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    try:
        return dialect.connect(*args, **kwargs)
    except (OSError, TimeoutError, dialect.loaded_dbapi.Error) as error:
        raise DatabaseUnavailable from error


def stop_writing_when_lost(connection: Any, _: Any) -> None:
    """Wake who waits until the server takes more: the driver does not, for ever."""
    connection.driver_connection.add_termination_listener(_wake_writer)


def _wake_writer(driver: Any) -> None:
    if driver._protocol is not None:  # it was given up
        driver._protocol.resume_writing()


def refuse_closed(connection: Any, _: Any, __: Any) -> None:
    """Replace a connection that the server closed while it was idle.

    The driver has seen the socket close, so asking costs nothing, where
    `pool_pre_ping` costs every checkout a round trip.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError
