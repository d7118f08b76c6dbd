"""Joins the reads by key that wait at the same moment into one query."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Executable, Select, Uuid, any_, bindparam

from app.core.round_trips import RoundTrips
from app.db.base import utc_now

MOST_KEYS = 64  # in one query
PATIENCE_SECONDS = 1.0

Read = Callable[[Executable, Mapping[str, Any]], Awaitable[Sequence[Any]]]


@dataclass(frozen=True, eq=False)
class Keyed:
    """Selects rows by a unique key. Declare it at module level.

    `name` names the column of the select that contains the key. If the select has a
    parameter `now`, its value is the time at which the query begins.

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


class Together(RoundTrips[UUID, Any]):
    """Finds rows by their keys. The answer is None for a key without a row."""

    def __init__(self, read: Read, statement: Executable, name: str) -> None:
        super().__init__(self._find, most=MOST_KEYS, patience=PATIENCE_SECONDS)
        self._read = read
        self.statement = statement
        self._name = name

    async def _find(self, keys: Sequence[UUID]) -> Iterable[Any]:
        values = {"keys": keys, "now": utc_now()}
        rows = await self._read(self.statement, values)
        found = {getattr(row, self._name): row for row in rows}
        return map(found.get, keys)
