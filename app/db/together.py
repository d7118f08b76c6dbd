"""Reads by key that wait at the same moment are one query."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Executable, Select, Uuid, any_, bindparam

from app.db.base import utc_now

MOST_KEYS = 64  # in one query
PATIENCE_SECONDS = 1.0

Read = Callable[[Executable, Mapping[str, Any]], Awaitable[Sequence[Any]]]
Waiting = tuple[UUID, asyncio.Future[Any]]


@dataclass(frozen=True, eq=False)
class Keyed:
    """Selects rows by a unique key. Declare it at module level.

    `name` is the name of the key among the columns of the select. The parameter `now`
    of the select is the time at which the query begins.

        NOTES_BY_ID = Keyed(select(*NOTE), NOTE.id)
        note = await read.by_key(NOTES_BY_ID, note_id)
    """

    select: Select[Any]
    key: ColumnElement[UUID]
    name: str = "id"

    def statement(self, dialect: str) -> Executable:
        if dialect == "postgresql":
            keys = any_(bindparam("keys", type_=ARRAY(Uuid)))
            return self.select.where(self.key == keys)
        found = bindparam("keys", expanding=True, type_=self.key.type)
        return self.select.where(self.key.in_(found))


class Together:
    """Collects keys while a query runs; the next query reads all of them.

    A query never serves a key that arrived after the query began, so that each caller
    sees everything that was committed before the call.
    """

    def __init__(self, read: Read, statement: Executable, name: str) -> None:
        self._read = read
        self._statement = statement
        self._name = name
        self._waiting: list[Waiting] = []
        self._flights: set[asyncio.Task[None] | None] = set()
        self._last_start = 0.0

    async def get(self, key: UUID) -> Any:
        """Return the row of the key, or None.

        Raises:
            Exception: Each caller gets the error of its query.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((key, answer))
        # Behind a query that hangs, the next one starts on another connection.
        late = self._last_start + PATIENCE_SECONDS < loop.time()
        if not self._flights or late:
            self._last_start = loop.time()
            # Without the context of this request: the query is not its own.
            self._flights.add(loop.create_task(self._fly(), context=Context()))
        return await answer

    async def _fly(self) -> None:
        try:
            while self._waiting:
                await self._ask()
        finally:  # at once: a callback of the task would run too late for `get`
            self._flights.discard(asyncio.current_task())

    async def _ask(self) -> None:
        batch = self._waiting[:MOST_KEYS]
        del self._waiting[:MOST_KEYS]
        self._last_start = asyncio.get_running_loop().time()
        values = {"keys": [key for key, _ in batch], "now": utc_now()}
        try:
            rows = await self._read(self._statement, values)
            found = {getattr(row, self._name): row for row in rows}
        except Exception as error:
            for _, answer in batch:
                if not answer.done():  # otherwise its caller has left
                    answer.set_exception(error)
            return
        for key, answer in batch:
            if not answer.done():
                answer.set_result(found.get(key))
