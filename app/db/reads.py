"""Reads committed rows, without a transaction and without ORM objects."""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

from sqlalchemy import Executable, Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import greenlet_spawn

from app.core.request_context import current_request, waiting_for
from app.core.round_trips import RoundTrips
from app.db.availability import availability
from app.db.direct import Direct
from app.db.together import MOST_KEYS, PATIENCE_SECONDS, Keyed, Together


class ReadSession:
    """Runs single statements, and holds a connection only while a statement runs.

    `connect` takes a connection of the engine `lasting`, so that long exports do not
    use up the connections of the single statements.

    Raises:
        Unavailable: The database is down, or no connection became free in time.
    """

    def __init__(
        self, engine: AsyncEngine, lasting: AsyncEngine, direct: Direct | None = None
    ) -> None:
        self.engine = engine
        self.lasting = lasting
        self.direct = direct
        self._together: dict[Keyed, Together] = {}
        # An entry exists as long as a caller waits for its rows.
        self._shared: WeakValueDictionary[Any, RoundTrips[None, Any]]
        self._shared = WeakValueDictionary()

    async def all(
        self, statement: Executable, values: Mapping[str, Any]
    ) -> Sequence[Row[Any]]:
        if self.direct is not None:
            return await self.direct.all(statement, values)
        # This switches once into SQLAlchemy's greenlet. `connect`, `execute` and
        # `close` would each switch.
        return await greenlet_spawn(self._all, statement, values)

    async def one_or_none(
        self, statement: Executable, values: Mapping[str, Any]
    ) -> Row[Any] | None:
        rows = await self.all(statement, values)
        return rows[0] if rows else None

    async def by_key(self, keyed: Keyed, key: UUID) -> Row[Any] | None:
        """Find a row by its key. Callers that ask at the same moment share a query."""
        together = self._together.get(keyed)
        if together is None:
            statement = keyed.statement(self.engine.dialect.name)
            together = self._together[keyed] = Together(self.all, statement, keyed.name)
        # The query can serve several callers. Each notes only how long it waited.
        with waiting_for("query", together.statement) as wait:
            row: Row[Any] | None = await together.ask(key)
            wait.rows = int(row is not None)
        return row

    async def shared(
        self, statement: Executable, values: Mapping[str, Any]
    ) -> Sequence[Row[Any]]:
        """Read rows like `all`, in one query for all callers that want the same rows.

        Use it for lists that many callers read with the same values.
        """
        key = statement, *values.items()
        trips = self._shared.get(key)
        if trips is None:

            async def ask(callers: Sequence[None]) -> Iterable[Any]:
                return [await self.all(statement, values)] * len(callers)

            trips = RoundTrips(ask, most=MOST_KEYS, patience=PATIENCE_SECONDS)
            self._shared[key] = trips
            rows: Sequence[Row[Any]] = await trips.lead(self.all(statement, values))
        else:
            with waiting_for("query", statement) as wait:
                rows = await trips.ask(None)
                wait.rows = len(rows)
        return rows

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[AsyncConnection]:
        """Hold one connection until the block ends, for more than one statement."""
        with availability():
            async with self.lasting.connect() as connection:
                yield connection

    def _all(
        self, statement: Executable, values: Mapping[str, Any]
    ) -> Sequence[Row[Any]]:
        with availability(), self.engine.sync_engine.connect() as connection:
            rows = connection.execute(statement, values).all()
        if (request := current_request()) is not None:
            request.add_rows(len(rows))
        return rows
