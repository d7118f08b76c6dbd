"""The engines of a process, and two ways to use them: `transaction`, `ReadSession`."""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self

from sqlalchemy import Executable, Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
)
from sqlalchemy.util import greenlet_spawn

from app.core.errors import AppError, DatabaseUnavailable, Overloaded
from app.core.settings.database import DatabaseSettings
from app.db import postgresql, sqlite

AFTER_COMMIT = "after_commit"  # key in `AsyncSession.info`: functions to call then


class ReadSession:
    """Reads committed rows, without a transaction and without ORM objects.

    Each statement holds a connection only while it runs. `connect` takes one of
    `lasting`, so that an export leaves these statements their connections.

    Raises:
        Unavailable: The database is down, or no connection became free in time.
    """

    def __init__(self, engine: AsyncEngine, lasting: AsyncEngine) -> None:
        self.engine = engine
        self.lasting = lasting

    async def all(
        self, statement: Executable, values: Mapping[str, Any]
    ) -> Sequence[Row[Any]]:
        # One switch into SQLAlchemy's greenlet, instead of three for connect, execute
        # and close.
        return await greenlet_spawn(self._all, statement, values)

    async def one_or_none(
        self, statement: Executable, values: Mapping[str, Any]
    ) -> Row[Any] | None:
        return await greenlet_spawn(self._one_or_none, statement, values)

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[AsyncConnection]:
        """Hold one connection until the block ends, for more than one statement."""
        with _availability():
            async with self.lasting.connect() as connection:
                yield connection

    def _all(
        self, statement: Executable, values: Mapping[str, Any]
    ) -> Sequence[Row[Any]]:
        with _availability(), self.engine.sync_engine.connect() as connection:
            return connection.execute(statement, values).all()

    def _one_or_none(
        self, statement: Executable, values: Mapping[str, Any]
    ) -> Row[Any] | None:
        with _availability(), self.engine.sync_engine.connect() as connection:
            return connection.execute(statement, values).one_or_none()


class Database:
    """The connections of one process. Create it after the fork."""

    def __init__(self, settings: DatabaseSettings) -> None:
        if settings.database_url.startswith("sqlite"):
            self.writer = sqlite.create_writer(settings)
            self.reader = self.probe = sqlite.create_reader(settings)
            self.read = self.replica = ReadSession(self.reader, self.reader)
        else:
            self._connect_to_postgresql(settings)
        self.sessions = async_sessionmaker(self.writer, expire_on_commit=False)

    def _connect_to_postgresql(self, settings: DatabaseSettings) -> None:
        """Give half of the connections to reads, which do not wait for locked rows.

        Otherwise changes that wait for a locked row could take all connections, and the
        service could not even find out who is calling.
        """
        url, replica = settings.database_url, settings.database_replica_url
        size, overflow = settings.db_pool_size, settings.db_max_overflow
        reads, more_reads = max(1, size // 2), overflow // 2
        self.writer = postgresql.create_writer(
            settings, pool_size=size - size // 2, max_overflow=overflow - more_reads
        )
        self.reader = postgresql.create_reader(
            settings, url, pool_size=reads, max_overflow=more_reads
        )
        # A connection of its own, so that a busy pool does not look like an outage.
        self.probe = postgresql.create_engine(settings, url, pool_size=1)
        lasting = postgresql.without_transactions(settings, self.writer)
        self.read = self.replica = ReadSession(self.reader, lasting)
        # The replica, if there is one, can be slightly stale. Never ask it who the
        # caller is, what the caller is allowed to do, or whether a token is valid.
        if replica:
            lagging = postgresql.create_reader(
                settings, replica, pool_size=size, max_overflow=overflow
            )
            self.replica = ReadSession(lagging, lagging)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        for engine in (self.writer, self.reader, self.replica.engine, self.probe):
            await engine.dispose()


@asynccontextmanager
async def transaction(database: Database) -> AsyncGenerator[AsyncSession]:
    """Commit when the block ends; roll back when it raises.

    The first statement takes the connection. An error class that sets `keeps_changes`,
    for a revoked session or an audit event, commits before the error propagates.

    Raises:
        Unavailable: The database is down, or no connection became free in time.
    """
    with _availability():
        async with database.sessions() as session:
            try:
                yield session
            except AppError as error:
                if error.keeps_changes:
                    await _commit(session)
                raise
            await _commit(session)


async def _commit(session: AsyncSession) -> None:
    await session.commit()
    for notify in session.info.get(AFTER_COMMIT, ()):
        notify()


@contextmanager
def _availability() -> Iterator[None]:
    try:
        yield
    except PoolTimeout as error:
        raise Overloaded from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable from error
        transient = postgresql.sqlstate(error) in postgresql.TRANSIENT
        if transient or "database is locked" in str(error.orig):
            raise Overloaded from error
        raise
