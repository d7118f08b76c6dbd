"""Single statements on PostgreSQL: SQLAlchemy writes them once, and asyncpg runs them.

SQLAlchemy's own execution, with its transactions and its results, costs more than the
driver and the network together. See decision 15.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, ClassVar, NamedTuple

import asyncpg
from sqlalchemy import JSON, Executable, Numeric
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import greenlet_spawn

from app.core.errors import DatabaseUnavailable, Overloaded
from app.db.availability import availability

NUMERIC_OID = 1700
# The pool then checks a connection that is kept, and replaces an old one.
KEPT_FOR_SECONDS = 10.0
# What the driver raises, beside errors of PostgreSQL, when its connection has gone.
GONE = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
Converters = Mapping[str, Callable[[Any], Any]]


class Record(asyncpg.Record):  # type: ignore[misc]
    """A row whose values are also attributes, as those of SQLAlchemy's rows are.

    `record[name]` is the value as PostgreSQL has it, for example the text of an enum.
    """

    names: ClassVar[tuple[str, ...]] = ()
    converters: ClassVar[Converters] = {}

    def __getattr__(self, name: str) -> Any:
        try:
            value = self[name]
        except KeyError:
            raise AttributeError(name) from None
        convert = self.converters.get(name)
        return value if convert is None else convert(value)


class GivenValues(dict[str, Any]):
    """Stands for SQLAlchemy's context, for defaults that depend on other columns."""

    def get_current_parameters(self) -> dict[str, Any]:
        return self


class Prepared:
    """A statement in the form of the driver: its text, and its values in order."""

    def __init__(
        self, dialect: Dialect, statement: Executable, given: Sequence[str]
    ) -> None:
        """`given` names the values. They decide the columns of an INSERT."""
        compiled: Any = statement.compile(  # type: ignore[attr-defined]
            dialect=dialect,
            column_keys=given if statement.is_insert else None,
            compile_kwargs={"render_postcompile": True},
        )
        self.sql = str(compiled)
        self._names: tuple[str, ...] = tuple(compiled.positiontup or ())
        self._defaults: dict[str, Any] = compiled.params
        self._processors: Converters = compiled._bind_processors
        self._made = compiled.insert_prefetch if statement.is_insert else ()
        converters = {
            column.keyname: convert
            for column in compiled._result_columns
            if (convert := converter(column.type, dialect)) is not None
        }
        names = tuple(column.keyname for column in compiled._result_columns)
        self.record: type[Record] = type(
            "Record", (Record,), {"names": names, "converters": converters}
        )

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        if self._made:
            values = {**values}
            for column in self._made:
                value = column.default.arg
                known = GivenValues(values)
                values[column.key] = value(known) if callable(value) else value
        arguments = []
        for name in self._names:
            value = values[name] if name in values else self._defaults[name]
            process = self._processors.get(name)
            arguments.append(value if process is None else process(value))
        return arguments


def is_constraint(error: asyncpg.PostgresError) -> bool:
    return isinstance(error, asyncpg.IntegrityConstraintViolationError)


def converter(kind: Any, dialect: Dialect) -> Callable[[Any], Any] | None:
    """Return what SQLAlchemy applies to values that asyncpg has read."""
    if isinstance(kind, JSON):
        return dialect._json_deserializer
    oid = NUMERIC_OID if isinstance(kind, Numeric) else None
    return kind._cached_result_processor(dialect, oid)  # type: ignore[no-any-return]


class Held(NamedTuple):
    """A connection that is checked out of the pool."""

    connection: Any
    driver: Any
    until: float  # time.monotonic()


class Direct:
    """Runs statements by asyncpg, each by itself, on the connections of an engine.

    A statement that changes something is committed when its rows are there.
    """

    def __init__(
        self, engine: AsyncEngine, *, size: int, timeout: float, keep: int = 0
    ) -> None:
        """`timeout`: seconds until a statement is given up, if the server hangs.

        `keep`: the connections that stay checked out between statements, because a
        checkout takes as long as a statement. Other users of the pool wait for them.
        """
        pool: Any = engine.sync_engine.pool
        self._pool = pool
        self._patience: float = pool.timeout()  # seconds
        self._timeout = timeout
        self._keep = keep
        self._kept: list[Held] = []
        self._prepared = lru_cache(maxsize=4096)(partial(Prepared, engine.dialect))
        # The pool lets newcomers overtake those who wait. This does not.
        self._turns = asyncio.Semaphore(size)

    async def all(
        self, statement: Executable, values: Mapping[str, Any]
    ) -> Sequence[Any]:
        prepared = self._prepared(statement, tuple(values))
        return await self._fetch(
            prepared.sql, prepared.arguments(values), prepared.record
        )

    def close(self) -> None:
        """Give the kept connections back to the pool."""
        while self._kept:
            self._kept.pop().connection.close()

    async def _fetch(
        self, sql: str, arguments: Sequence[Any], record: type[Record]
    ) -> Sequence[Any]:
        await self._take_turn()
        try:
            with availability():
                held = self._take_kept() or await self._take()
                connection, driver, _ = held
                try:
                    rows: list[Any] = await driver.fetch(
                        sql, *arguments, record_class=record, timeout=self._timeout
                    )
                except asyncpg.PostgresError as error:
                    gone = driver.is_closed()
                    if gone:
                        connection.invalidate(error)
                    kind = IntegrityError if is_constraint(error) else DBAPIError
                    raise kind(
                        None, None, error, connection_invalidated=gone
                    ) from error
                except BaseException as error:
                    # Cancelled or lost: the driver may still use the connection.
                    connection.invalidate()
                    if isinstance(error, GONE):
                        raise DatabaseUnavailable from error
                    raise
                finally:
                    if connection.is_valid and len(self._kept) < self._keep:
                        self._kept.append(held)
                    else:
                        connection.close()
                return rows
        finally:
            self._turns.release()

    def _take_kept(self) -> Held | None:
        while self._kept:
            held = self._kept.pop()
            if held.until > time.monotonic() and not held.driver.is_closed():
                return held
            held.connection.close()
        return None

    async def _take(self) -> Held:
        connection = await greenlet_spawn(self._pool.connect)
        until = time.monotonic() + KEPT_FOR_SECONDS
        return Held(connection, connection.driver_connection, until)

    async def _take_turn(self) -> None:
        if self._turns.locked():
            try:
                async with asyncio.timeout(self._patience):
                    await self._turns.acquire()
            except TimeoutError as error:
                raise Overloaded from error
        else:
            await self._turns.acquire()  # at once
