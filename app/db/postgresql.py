"""Engines for PostgreSQL with asyncpg, directly or through PgBouncer."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import asyncpg
from sqlalchemy import URL, Connection, event, make_url, text
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.core.errors import DatabaseUnavailable
from app.core.metrics import connection_creations
from app.core.settings.database import TLS_PARAMETERS, DatabaseSettings
from app.db.timing import MeasuredPool, measure

SET_TIMEOUTS = """
SELECT set_config(name, '0', {only_this_transaction}) FROM pg_settings
WHERE name IN ('statement_timeout', 'lock_timeout', 'transaction_timeout',
    'idle_in_transaction_session_timeout', 'idle_session_timeout')
"""
# For work on whole tables, which takes longer than a request can take.
LIFT_TIMEOUTS = text(SET_TIMEOUTS.format(only_this_transaction="true"))
LIFT_TIMEOUTS_FOR_GOOD = text(SET_TIMEOUTS.format(only_this_transaction="false"))

CANCELLED_WITHIN_SECONDS = 2.0
LOCK_NOT_AVAILABLE = "55P03"
# After these errors a retry can help: serialization failure, deadlock, lock timeout,
# cancelled statement, and a change while the server is read-only.
TRANSIENT = {"40001", "40P01", LOCK_NOT_AVAILABLE, "57014", "25006"}
EXHAUSTED = {"53100", "53200"}  # the disk or the memory of the server is full


def create_engine(
    settings: DatabaseSettings, url: str, *, pool_size: int, max_overflow: int = 0
) -> AsyncEngine:
    parts = make_url(url)
    tls = {name: parts.query[name] for name in TLS_PARAMETERS if name in parts.query}
    server_settings = {"application_name": settings.app_name.lower()}
    connect_args: dict[str, Any] = {
        # asyncpg reads `sslmode` and the other settings of TLS only from a URL.
        "dsn": URL.create("postgresql", query=tls).render_as_string(),
        "timeout": settings.db_connect_timeout_seconds,
        "server_settings": server_settings,
    }
    if settings.db_pooler == "none":
        server_settings |= settings.db_timeouts
        # After a failover the host name can still lead to the old primary, which is now
        # a standby.
        is_replica = url == settings.database_replica_url
        connect_args["target_session_attrs"] = "any" if is_replica else "primary"
    else:
        # PgBouncer can run a statement on another server connection than the one that
        # prepared it.
        connect_args |= {
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: f"__{uuid4()}__",
        }
    engine = create_async_engine(
        parts.difference_update_query(tls),
        echo=settings.debug,
        hide_parameters=True,
        poolclass=MeasuredPool,
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=settings.db_pool_timeout_seconds,
        pool_recycle=1800,
        pool_use_lifo=True,
        connect_args=connect_args,
    )
    measure(engine.sync_engine)
    event.listen(engine.sync_engine, "do_connect", connect)
    event.listen(engine.sync_engine, "connect", wake_writer_when_lost)
    event.listen(engine.sync_engine, "checkout", refuse_closed)
    engine.sync_engine.dialect.do_terminate = terminate  # type: ignore[method-assign]
    return engine


def create_writer(settings: DatabaseSettings, **size: int) -> AsyncEngine:
    engine = create_engine(settings, settings.database_url, **size)
    if settings.db_pooler == "pgbouncer":
        # PgBouncer refuses the timeouts as parameters of a connection, so set them when
        # a transaction begins.
        event.listen(engine.sync_engine, "begin", partial(set_timeouts, settings))
    return engine


def set_timeouts(settings: DatabaseSettings, connection: Connection) -> None:
    calls = (
        f"set_config('{name}', '{value}', true)"
        for name, value in settings.db_timeouts.items()
    )
    connection.exec_driver_sql(f"SELECT {', '.join(calls)}")


def create_reader(settings: DatabaseSettings, url: str, **size: int) -> AsyncEngine:
    return without_transactions(settings, create_engine(settings, url, **size))


def without_transactions(
    settings: DatabaseSettings, engine: AsyncEngine
) -> AsyncEngine:
    """Return an engine that reads without transactions, on the same connections."""
    if settings.db_pooler == "pgbouncer":
        # Outside of a transaction, PgBouncer can prepare a statement on one server
        # connection and run it on another.
        return engine
    return engine.execution_options(isolation_level="AUTOCOMMIT")


@asynccontextmanager
async def driver_of(connection: AsyncConnection) -> AsyncGenerator[Any]:
    """Yield asyncpg's connection, for COPY and cursors; raise SQLAlchemy's errors."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    try:
        yield driver
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        gone = driver.is_closed()
        if gone:  # otherwise the rollback also fails, and the log shows only its error
            await connection.invalidate(error)
        raise DBAPIError(None, None, error, connection_invalidated=gone) from error


async def copied(
    connection: AsyncConnection, query: str, **options: Any
) -> AsyncGenerator[bytes]:
    """Yield whole rows that COPY writes as CSV. The server waits for a slow reader."""
    chunks: asyncio.Queue[bytes] = asyncio.Queue()

    async def put(chunk: bytes) -> None:
        chunks.put_nowait(chunk)
        await chunks.join()

    async with driver_of(connection) as driver:
        copying = asyncio.create_task(
            driver.copy_from_query(query, output=put, format="csv", **options)
        )
        copying.add_done_callback(lambda _: chunks.put_nowait(b""))
        try:
            while chunk := await chunks.get():
                yield chunk
                chunks.task_done()
            await copying
        finally:
            if not copying.done():
                # Close the connection. Otherwise asyncpg mistakes the next rows for the
                # end of the cancelled COPY, and sends ROLLBACK too early.
                copying.cancel()
                await asyncio.wait({copying})
                driver.terminate()
                await connection.invalidate()


def sqlstate(error: DBAPIError) -> str | None:
    """Return PostgreSQL's code of the error; None for an error of SQLite."""
    return getattr(error.orig, "sqlstate", None)


def connect(dialect: Dialect, _: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    try:
        with connection_creations.time():
            return dialect.connect(*args, **kwargs)
    except (OSError, dialect.loaded_dbapi.Error, asyncpg.InternalClientError) as error:
        raise DatabaseUnavailable from error


def terminate(dbapi_connection: Any) -> None:
    """Cancel the query of a connection and close the connection, in a task.

    SQLAlchemy would do this in the request. If the server hangs, the request would then
    wait two seconds beyond its deadline.
    """
    try:
        closing = asyncio.get_running_loop().create_task(
            _close(dbapi_connection.driver_connection)
        )
    except RuntimeError:  # no event loop runs: the process ends
        dbapi_connection.terminate()
    else:
        _closing.add(closing)  # the event loop keeps only a weak reference
        closing.add_done_callback(_closing.discard)


_closing: set[asyncio.Task[None]] = set()


async def _close(driver: Any) -> None:
    try:
        await driver.close(timeout=CANCELLED_WITHIN_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        driver.terminate()


def wake_writer_when_lost(connection: Any, _: Any) -> None:
    """Wake a writer that asyncpg leaves waiting for ever on a lost connection."""
    connection.driver_connection.add_termination_listener(_wake_writer)


def _wake_writer(driver: Any) -> None:
    if driver._protocol is not None:  # asyncpg sets None when it gives up a connection
        driver._protocol.resume_writing()


def refuse_closed(connection: Any, _: Any, __: Any) -> None:
    """Replace a connection that the server closed while it was idle.

    The driver has seen the socket close, so this check needs no round trip.
    `pool_pre_ping` would need one for every checkout.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError
