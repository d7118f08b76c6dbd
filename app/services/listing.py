"""Keyset pagination: a page continues after the last row of the one before."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, bindparam, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from app.core.tokens.cursor import CursorSigner
from app.db.session import ReadSession
from app.schemas.page import PageParameters

PARSERS: dict[type, Callable[[str], Any]] = {
    datetime: datetime.fromisoformat,
    Decimal: Decimal,
    str: str,
}


class RowPage(NamedTuple):
    items: list[dict[str, Any]]  # which pydantic reads faster than attributes of rows
    next_cursor: str | None


Value = TypeVar("Value")
Keyed = InstrumentedAttribute[Value] | ColumnElement[Value]


@dataclass(frozen=True)
class Order:
    """Rows by one column, ties broken by id, so that no two are equal."""

    column: Keyed[Any]
    id: Keyed[UUID]
    descending: bool = False

    def apply(self, statement: Select[Any], *, continued: bool) -> Select[Any]:
        """Sort and cut the statement; it then takes `rows` and `after`, `after_id`."""
        keys = (self.column, self.id)
        if continued:
            row = tuple_(*keys)
            last = tuple_(
                bindparam("after", type_=self.column.type),
                bindparam("after_id", type_=self.id.type),
            )
            statement = statement.where(row < last if self.descending else row > last)
        order = [key.desc() for key in keys] if self.descending else keys
        return statement.order_by(*order).limit(bindparam("rows"))

    def position(self, row: Row[Any]) -> tuple[str, str]:
        value = getattr(row, str(self.column.key))
        text = value.isoformat() if isinstance(value, datetime) else str(value)
        return text, row.id.hex

    def values(self, position: Sequence[Any]) -> dict[str, Any]:
        parse = PARSERS[self.column.type.python_type]
        return {"after": parse(position[0]), "after_id": UUID(position[1])}


async def fetch_page(
    read: ReadSession,
    statement: Select[Any],
    order: Order,
    values: Mapping[str, Any],
    page: PageParameters,
    cursors: CursorSigner,
    *,
    of: str,
) -> RowPage:
    """Run a statement that `order` was applied to.

    The cursor is bound to the filters and the sort in `page`, and to `of`, which names
    the list, and its owner where it has one.

    Raises:
        CursorInvalid: the cursor is not one of this list's.
    """

    async def whole(_: bool) -> Select[Any]:
        return statement

    return await fetch_parts(read, [whole], order, values, page, cursors, of=of)


async def fetch_parts(
    read: ReadSession,
    parts: Sequence[Callable[[bool], Awaitable[Select[Any]]]],
    order: Order,
    values: Mapping[str, Any],
    page: PageParameters,
    cursors: CursorSigner,
    *,
    of: str,
) -> RowPage:
    """As `fetch_page`, of several lists one behind the other.

    Each part makes its statement, knowing whether it is continued.
    """
    filters = page.model_dump_json(exclude={"limit", "cursor"})
    context = f"{of}{filters}"
    first, after = 0, {}
    if page.cursor is not None:
        number, *position = cursors.decode(page.cursor, context)
        first, after = int(number or 0), order.values(position)
    rows: list[tuple[int, Row[Any]]] = []
    for number in range(first, len(parts)):
        wanted = page.limit + 1 - len(rows)
        statement = await parts[number](bool(after))
        found = await read.all(statement, {**values, **after, "rows": wanted})
        rows += [(number, row) for row in found]
        if len(found) == wanted:
            break
        after = {}
    items = [dict(zip(row._fields, row, strict=True)) for _, row in rows[: page.limit]]
    if len(rows) <= page.limit:
        return RowPage(items, None)
    number, last = rows[page.limit - 1]
    return RowPage(items, cursors.encode([number, *order.position(last)], context))
