"""The engines of a process, and two ways to use them: `transaction`, `ReadSession`."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

from sqlalchemy import Executable, event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from app.core.errors import AppError
from app.core.request_context import waiting_for
from app.core.settings.database import DatabaseSettings
from app.db import postgresql, sqlite
from app.db.availability import availability
from app.db.direct import Direct
from app.db.prepared import read_numerics_as_text
from app.db.reads import ReadSession

# Keys in `AsyncSession.info`.
AFTER_COMMIT = "after_commit"  # functions to call after the commit
DIRECT = "direct"  # `Database.direct`
HELD = "held"  # the transaction that has begun, and its connection
ONLY = "only"  # whether `execute_only` has run


class Database:
    """The connections of one process. Create it after the fork."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self.direct: Direct | None = None
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
        if direct_reads := direct(
            settings, self.reader, size=reads + more_reads, keep=reads
        ):
            event.listen(self.reader.sync_engine, "connect", read_numerics_as_text)
        # The probe has a connection of its own, so that a busy pool does not look like
        # an outage.
        self.probe = postgresql.create_engine(settings, url, pool_size=1)
        lasting = postgresql.without_transactions(settings, self.writer)
        # `Direct` keeps at most half of these connections between statements. The
        # others are free for transactions.
        changes = size - size // 2
        self.direct = direct(settings, self.writer, size=changes, keep=changes // 2)
        self.read = self.replica = ReadSession(self.reader, lasting, direct_reads)
        # The replica, if there is one, can be slightly stale. Never ask it who the
        # caller is, what the caller is allowed to do, or whether a token is valid.
        if replica:
            lagging = postgresql.create_reader(
                settings, replica, pool_size=size, max_overflow=overflow
            )
            self.replica = ReadSession(
                lagging,
                lagging,
                direct(settings, lagging, size=size + overflow, keep=size // 2),
            )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        for keeping in (self.direct, self.read.direct, self.replica.direct):
            if keeping is not None:
                keeping.close()
        for engine in (self.writer, self.reader, self.replica.engine, self.probe):
            await engine.dispose()


def direct(
    settings: DatabaseSettings, engine: AsyncEngine, *, size: int, keep: int = 0
) -> Direct | None:
    """Return None if SQLAlchemy must run the statements.

    With `DEBUG`, SQLAlchemy logs the statements. Behind PgBouncer, a prepared statement
    needs a transaction.
    """
    if settings.debug or settings.db_pooler == "pgbouncer":
        return None
    timeout = settings.db_statement_timeout_seconds + 1
    return Direct(engine, size=size, timeout=timeout, keep=keep)


@asynccontextmanager
async def transaction(database: Database) -> AsyncGenerator[AsyncSession]:
    """Commit when the block ends. Roll back when the block raises an error.

    The first statement takes the connection. If the class of the error sets
    `keeps_changes`, for example to keep an audit event, commit in spite of the error.

    Raises:
        Unavailable: The database is down, or no connection became free in time.
    """
    with availability():
        session = database.sessions()
        session.info[DIRECT] = database.direct
        try:
            try:
                yield session
            except AppError as error:
                if error.keeps_changes:
                    await _commit(session)
                raise
            await _commit(session)
        finally:
            if session.in_transaction():  # otherwise it holds no connection
                await session.__aexit__(None, None, None)


async def execute(
    session: AsyncSession, statement: Executable, *values: Mapping[str, Any]
) -> Sequence[Any]:
    """Execute a statement in the transaction of a session, and return its rows.

    With several sets of values it returns no rows. It costs less than
    `session.execute`, but accepts only statements on tables, without classes of the
    ORM.
    """
    direct: Direct | None = session.info[DIRECT]
    if direct is None:
        parameters = values if len(values) > 1 else values[0]
        result: Any = await session.execute(statement, parameters)
        return result.all() if result.returns_rows else ()
    # Keep the connection, because asking the session for it costs as much as the
    # statement.
    held, connection = session.info.get(HELD, (None, None))
    if held is None or held is not session.sync_session.get_transaction():
        connection = (await session.connection()).sync_connection
        held = session.sync_session.get_transaction()
        session.info[HELD] = held, connection
    return await direct.within(connection, statement, *values)


async def execute_only(
    session: AsyncSession, statement: Executable, values: Mapping[str, Any]
) -> Any:
    """Execute the only change of a request, and return its row.

    The change is committed at once, without the round trips of BEGIN and COMMIT. If the
    transaction has begun already, for example with an `Idempotency-Key`, the change
    becomes a part of it.

    Raises:
        RuntimeError: At the end of the transaction, if it has another change. The two
            changes would not be committed together.
    """
    direct: Direct | None = session.info[DIRECT]
    if direct is None or session.in_transaction() or session.new:
        return (await session.execute(statement, values)).one()
    session.info[ONLY] = True
    [row] = await direct.all(statement, values)
    return row


async def _commit(session: AsyncSession) -> None:
    has_changes = session.in_transaction() or session.new
    if session.info.get(ONLY) and has_changes:
        raise RuntimeError("`execute_only` was not the only change of the transaction.")
    if has_changes:
        with waiting_for("commit"):
            await session.commit()
    for notify in session.info.get(AFTER_COMMIT, ()):
        notify()
