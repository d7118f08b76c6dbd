"""Runs single statements on PostgreSQL. SQLAlchemy writes the SQL, and asyncpg runs it.

SQLAlchemy's own execution, with its transactions and its results, costs more than the
driver and the network together. See decision 15.
"""

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy import Connection, Executable
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import greenlet_spawn

from app.core.admission import door
from app.core.errors import DatabaseUnavailable, Overloaded
from app.core.metrics import connection_timeouts
from app.db.availability import availability
from app.db.prepared import Prepared, Record
from app.db.timing import TAKEN, note, note_wait

# After this time a kept connection goes back to the pool, because only the pool
# replaces old connections.
KEPT_FOR_SECONDS = 10.0
# When the connection is lost, asyncpg raises these or errors of PostgreSQL.
GONE = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


async def finish(asked: Awaitable[Any], connection: Any, driver: Any) -> Any:
    """Wait for asyncpg. Turn its errors into those of SQLAlchemy."""
    try:
        return await asked
    except asyncpg.PostgresError as error:
        gone = driver.is_closed()
        if gone:
            connection.invalidate(error)
        is_constraint = isinstance(error, asyncpg.IntegrityConstraintViolationError)
        kind = IntegrityError if is_constraint else DBAPIError
        raise kind(None, None, error, connection_invalidated=gone) from error
    except BaseException as error:
        # The caller was cancelled, or the connection is lost. The driver can still be
        # using the connection, so no other statement gets it.
        connection.invalidate()
        if isinstance(error, GONE):
            raise DatabaseUnavailable from error
        raise


class Held(NamedTuple):
    """A connection that is checked out of the pool."""

    connection: Any
    driver: Any
    until: float  # time.monotonic()


class Direct:
    """Runs statements by asyncpg on the connections of an engine.

    `all` commits a change before it returns. `within` runs a statement in a transaction
    that SQLAlchemy commits.
    """

    def __init__(
        self, engine: AsyncEngine, *, size: int, timeout: float, keep: int = 0
    ) -> None:
        """`timeout`: seconds until a statement is given up, if the server hangs.

        `keep`: how many connections stay checked out between statements, because a
        checkout takes as long as a statement. If another user of the pool must wait,
        all kept connections go back to the pool.
        """
        pool: Any = engine.sync_engine.pool
        pool.give_back_idle = self.close
        self._pool = pool
        self._patience: float = pool.timeout()  # seconds
        self._timeout = timeout
        self._keep = keep
        self._kept: list[Held] = []
        self._prepared = lru_cache(maxsize=4096)(partial(Prepared, engine.dialect))
        # In the pool, a new request can overtake one that waits. With this semaphore it
        # cannot.
        self._turns = asyncio.Semaphore(size)

    @property
    def idle(self) -> int:
        """How many connections are kept. The pool counts them as in use."""
        return len(self._kept)

    @property
    def waiting(self) -> int:
        return len(self._turns._waiters or ())

    async def all(
        self, statement: Executable, values: Mapping[str, Any]
    ) -> Sequence[Any]:
        prepared = self._prepared(statement, tuple(values))
        arguments = prepared.arguments(values)
        await self._take_turn()
        try:
            with availability():
                return await self._fetch(prepared.sql, arguments, prepared.record)
        finally:
            self._turns.release()

    async def within(
        self, connection: Connection, statement: Executable, *values: Mapping[str, Any]
    ) -> Sequence[Any]:
        """Run a statement in the transaction of a connection of SQLAlchemy.

        With several sets of values it returns no rows.
        """
        prepared = self._prepared(statement, tuple(values[0]))
        arguments, started = map(prepared.arguments, values), time.perf_counter()
        adapter: Any = connection.connection.dbapi_connection
        driver, options = adapter.driver_connection, {"timeout": self._timeout}
        try:
            if adapter._transaction is None:
                begun = driver.transaction()
                await finish(begun.start(), connection, driver)
                adapter._transaction = begun  # SQLAlchemy ends it
            if len(values) > 1:
                asked = driver.executemany(prepared.sql, arguments, **options)
            else:
                asked = driver.fetch(
                    prepared.sql,
                    *next(arguments),
                    record_class=prepared.record,
                    **options,
                )
            rows: Sequence[Any] = await finish(asked, connection, driver) or ()
        except BaseException as error:
            note(prepared.sql, time.perf_counter() - started, type(error))
            raise
        note(prepared.sql, time.perf_counter() - started, rows=len(rows))
        return rows

    def close(self) -> None:
        """Give the kept connections back to the pool."""
        while self._kept:
            self._kept.pop().connection.close()

    async def _fetch(
        self, sql: str, arguments: Sequence[Any], record: type[Record]
    ) -> Sequence[Any]:
        held = self._take_kept() or await self._take()
        connection, began = held.connection, time.perf_counter()
        try:
            asked = held.driver.fetch(
                sql, *arguments, record_class=record, timeout=self._timeout
            )
            rows: list[Any] = await finish(asked, connection, held.driver)
        except BaseException as error:
            note(sql, time.perf_counter() - began, type(error))
            raise
        finally:
            is_spare = len(self._kept) < self._keep and not self._pool.waiting
            if connection.is_valid and is_spare:
                self._kept.append(held)
            else:
                connection.close()
        took = time.perf_counter() - began
        door.note_statement(took)
        note(sql, took, rows=len(rows))
        return rows

    def _take_kept(self) -> Held | None:
        while self._kept:
            held = self._kept.pop()
            if held.until > time.monotonic() and not held.driver.is_closed():
                return held
            held.connection.close()
        return None

    async def _take(self) -> Held:
        connection = await greenlet_spawn(self._pool.connect)
        if self._keep:
            # The time of use is not measured: it would include the idle time.
            del connection.info[TAKEN]
        until = time.monotonic() + KEPT_FOR_SECONDS
        return Held(connection, connection.driver_connection, until)

    async def _take_turn(self) -> None:
        if self._turns.locked():
            began, failure = time.perf_counter(), None
            try:
                async with asyncio.timeout(self._patience):
                    await self._turns.acquire()
            except TimeoutError as error:
                failure = TimeoutError
                connection_timeouts.inc()
                raise Overloaded from error
            finally:
                waited = time.perf_counter() - began
                note_wait(waited, failure)
                door.note_connection_wait(waited)
        else:
            await self._turns.acquire()  # a turn is free
