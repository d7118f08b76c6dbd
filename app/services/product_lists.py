"""How products are listed: which of them, in which order, read from where."""

from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, bindparam, func, select, true
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from app.db.models import Product, ProductStatus
from app.db.search import Words, few, found_matches, matches
from app.services.pagination import Order

PRODUCT = Product.__table__.c
Columns = ReadOnlyColumnCollection[str, Any]


def filters_of(columns: Columns) -> dict[str, ColumnElement[bool]]:
    return {
        "category": columns.category == bindparam("category"),
        "status": columns.status == bindparam("status"),
        "min_price": columns.price >= bindparam("min_price"),
        "max_price": columns.price <= bindparam("max_price"),
        "in_stock": (columns.stock > 0) == bindparam("in_stock"),
        "visible": columns.status == ProductStatus.ACTIVE,
    }


def orders_of(columns: Columns) -> dict[str, Order]:
    return {
        sign + column.key: Order(column, columns.id, descending=bool(sign))
        for column in (columns.created_at, columns.price, columns.name)
        for sign in ("", "-")
    }


QUERY = bindparam("q", type_=Words())
TITLE = bindparam("title", type_=Words(title=True))
# The same questions to all products, and to the few that a search has found.
FOUND = few(QUERY, PRODUCT)
SOURCES: dict[bool, tuple[Columns, dict[str, ColumnElement[bool]]]] = {
    False: (
        PRODUCT,
        filters_of(PRODUCT) | {"q": matches(QUERY), "title": matches(TITLE)},
    ),
    True: (
        FOUND.c,
        filters_of(FOUND.c) | {"q": true(), "title": found_matches(FOUND, TITLE)},
    ),
}
FILTERS = set(SOURCES[False][1])
COUNT_FOUND = select(func.count()).select_from(FOUND)
ORDERS = {narrow: orders_of(columns) for narrow, (columns, _) in SOURCES.items()}
# Best matches first costs no more than newest first: the whole result is never ranked.
Part = Literal["title", "rest", "all"]
RELEVANCE: tuple[Part, ...] = ("title", "rest")
WHOLE: tuple[Part, ...] = ("all",)


@lru_cache(maxsize=1024)
def select_page(
    sort: str, names: tuple[str, ...], part: Part, *, narrow: bool, continued: bool
) -> Select[Any]:
    columns, filters = SOURCES[narrow]
    statement = select(*(columns[name] for name in PRODUCT.keys()))  # noqa: SIM118
    statement = statement.where(*(filters[name] for name in names))
    if part != "all":
        title = filters["title"]
        statement = statement.where(title if part == "title" else ~title)
    return ORDERS[narrow][sort].apply(statement, continued=continued)
