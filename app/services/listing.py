"""Lists in pages. A page continues after the last row of the previous page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Row, Select, bindparam, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from app.core.tokens.cursor import CursorSigner
from app.db.reads import ReadSession
from app.schemas.page import PageParameters

Value = TypeVar("Value")
Keyed = InstrumentedAttribute[Value] | ColumnElement[Value]
Conditions = Mapping[str, ColumnElement[bool]]


class RowPage(NamedTuple):
    items: Sequence[Row[Any]]
    next_cursor: str | None


@dataclass(frozen=True)
class Order:
    """Sorts by one column that is never null, then by id, so that no two rows tie."""

    column: Keyed[Any]
    id: Keyed[UUID]
    descending: bool = False

    def apply(self, statement: Select[Any], *, continued: bool) -> Select[Any]:
        """Sort and limit. The parameters are `page_rows` and the result of `after`."""
        keys = (self.column, self.id)
        if continued:
            row = tuple_(*keys)
            last = tuple_(
                bindparam("page_after", type_=self.column.type),
                bindparam("page_after_id", type_=self.id.type),
            )
            statement = statement.where(row < last if self.descending else row > last)
        order = [key.desc() for key in keys] if self.descending else keys
        return statement.order_by(*order).limit(bindparam("page_rows"))

    def position(self, row: Row[Any]) -> tuple[Any, str]:
        """Return the place of a row in this order."""
        return getattr(row, str(self.column.key)), row.id.hex

    def after(self, position: Sequence[Any]) -> dict[str, Any]:
        """Return the parameters with which a statement continues after `position`."""
        value, row_id = position
        after = self._type.validate_python(value)
        return {"page_after": after, "page_after_id": UUID(row_id)}

    @cached_property
    def _type(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.column.type.python_type)


def both_ways(*columns: Keyed[Any], id: Keyed[UUID]) -> dict[str, Order]:
    """Map each column name to the ascending order, `-name` to the descending one."""
    return {
        sign + str(column.key): Order(column, id, descending=bool(sign))
        for column in columns
        for sign in ("", "-")
    }


class Listing:
    """A list that clients read page by page.

    Declare a list at module level. It builds a statement once for each combination of
    filters and order, because building a statement takes longer than sending it.

        NOTES = Listing(
            select(*NOTE).where(NOTE.owner_id == bindparam("owner")),
            both_ways(NOTE.title, NOTE.created_at, id=NOTE.id),
            {"tag": NOTE.tag == bindparam("tag")},
            name="notes of {owner}",
        )
        page = await NOTES.page(read, cursors, query, owner=caller.user_id)

    `order` is one order, or a mapping from which `query.sort` chooses. A filter applies
    if `values` or `query` has a value with the name of the filter. The select must
    contain the id and the columns of the orders.
    """

    def __init__(
        self,
        select: Select[Any],
        order: Order | Mapping[str, Order],
        filters: Conditions | None = None,
        *,
        name: str,
        then: "Listing | None" = None,
    ) -> None:
        """`then` is a list in the same order. It continues where this list ends."""
        self.select = select
        self.orders = {"": order} if isinstance(order, Order) else order
        self.filters = filters or {}
        self.name = name
        self.parts: tuple[Listing, ...] = (self, *(then.parts if then else ()))
        self.statement = lru_cache(maxsize=1024)(self._statement)

    async def page(
        self,
        read: ReadSession,
        cursors: CursorSigner,
        query: PageParameters,
        **values: Any,
    ) -> RowPage:
        """Read the page that `query` asks for.

        `values` are the parameters of the select, and filters that the client does not
        choose. A cursor is valid only for a list with the same order, filters and name.
        The name is formatted with the values.

        Raises:
            CursorInvalid: The cursor was changed, or made for another list.
        """
        sort = getattr(query, "sort", "")
        order = self.orders[sort]
        values = {name: getattr(query, name, None) for name in self.filters} | values
        chosen = {
            name: values[name] for name in self.filters if values.get(name) is not None
        }
        context = f"{self.name.format(**values)} {sort} {chosen}"
        first, after = 0, {}
        if query.cursor is not None:
            part, *position = cursors.decode(query.cursor, context)
            first, after = int(part or 0), order.after(position)
        rows: list[Row[Any]] = []
        of_last = None  # the number of the part that has the last row of the page
        for number in range(first, len(self.parts)):
            wanted = query.limit + 1 - len(rows)
            found = await self.parts[number].rows(
                read, tuple(chosen), sort, {**values, **after, "page_rows": wanted}
            )
            rows += found
            if of_last is None and len(rows) >= query.limit:
                of_last = number
            if len(found) == wanted:
                break
            after = {}
        if len(rows) <= query.limit:
            return RowPage(rows, None)
        page = rows[: query.limit]
        position = [of_last, *order.position(page[-1])]
        return RowPage(page, cursors.encode(position, context))

    async def rows(
        self,
        read: ReadSession,
        filters: tuple[str, ...],
        sort: str,
        values: Mapping[str, Any],
    ) -> Sequence[Row[Any]]:
        """Read rows of this part. A subclass can override how they are read."""
        statement = self.statement(filters, sort, continued="page_after" in values)
        return await read.all(statement, values)

    def conditions(self, filters: tuple[str, ...], sort: str) -> Conditions:
        """Return all filters. A subclass can adapt them to `filters` or `sort`."""
        return self.filters

    def _statement(
        self, filters: tuple[str, ...], sort: str, *, continued: bool
    ) -> Select[Any]:
        conditions = self.conditions(filters, sort)
        statement = self.select.where(*(conditions[name] for name in filters))
        return self.orders[sort].apply(statement, continued=continued)
