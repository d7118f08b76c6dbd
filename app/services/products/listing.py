"""How products are listed: which of them, in which order, read from where."""

from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, bindparam, func, select, true

from app.db.hints import unindexed
from app.db.models.product import Product, ProductStatus
from app.schemas.product import ProductRead
from app.services.listing import Order
from app.services.products.search import (
    QUERY,
    TITLE,
    Columns,
    few,
    matches,
    matches_title,
)

PRODUCT = Product.__table__.c


def filters_of(
    columns: Columns, sort: str, names: tuple[str, ...]
) -> dict[str, ColumnElement[bool]]:
    # Of the indexes that have the order, the one of the category leaves the least.
    price = columns.price if sort.endswith("price") else unindexed(columns.price)
    status = unindexed(columns.status) if "category" in names else columns.status
    return {
        "category": columns.category == bindparam("category"),
        "status": status == bindparam("status"),
        "min_price": price >= bindparam("min_price"),
        "max_price": price <= bindparam("max_price"),
        "in_stock": (columns.stock > 0) == bindparam("in_stock"),
        "visible": status == ProductStatus.ACTIVE,
    }


def orders_of(columns: Columns) -> dict[str, Order]:
    return {
        sign + column.key: Order(column, columns.id, descending=bool(sign))
        for column in (columns.created_at, columns.price, columns.name)
        for sign in ("", "-")
    }


# Best matches first costs no more than newest first: nothing is ranked that is not
# shown. Each part is a list of its own.
Part = Literal["title", "rest", "all"]
RELEVANCE: tuple[Part, ...] = ("title", "rest")
WHOLE: tuple[Part, ...] = ("all",)

# What a part is read from: all products, or the few that its words find.
FOUND, FOUND_BY_TITLE = few(QUERY, PRODUCT), few(TITLE, PRODUCT)
COUNT_FOUND = {
    found: select(func.count()).select_from(found) for found in (FOUND, FOUND_BY_TITLE)
}
SEARCHES: dict[tuple[Part, bool], tuple[Columns, ColumnElement[bool]]] = {
    ("all", False): (PRODUCT, matches(QUERY)),
    ("rest", False): (PRODUCT, matches(QUERY) & ~matches(TITLE)),
    ("title", False): (PRODUCT, matches(TITLE)),
    ("all", True): (FOUND.c, true()),
    ("rest", True): (FOUND.c, ~matches_title(FOUND)),
    ("title", True): (FOUND_BY_TITLE.c, true()),
}
ORDERS = orders_of(PRODUCT)


@lru_cache(maxsize=1024)
def select_page(
    sort: str, names: tuple[str, ...], part: Part, *, narrow: bool, continued: bool
) -> Select[Any]:
    columns, found = SEARCHES[part, narrow]
    filters = filters_of(columns, sort, names)
    statement = select(*(columns[name] for name in ProductRead.model_fields))
    statement = statement.where(*(filters[name] for name in names if name != "q"))
    if "q" in names:
        statement = statement.where(found)
    return orders_of(columns)[sort].apply(statement, continued=continued)
