"""The lists of products: their filters, their orders and the indexes they use."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Row,
    Select,
    bindparam,
    column,
    func,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.util import ClauseAdapter

from app.db.base import Base
from app.db.models.product import Product
from app.db.reads import ReadSession
from app.schemas.product import ProductRead
from app.services.listing import Conditions, Listing, both_ways
from app.services.products.search import (
    FEW,
    QUERY,
    TITLE,
    Columns,
    few,
    lookups,
    matches,
    matches_in,
)

PRODUCT = Base.metadata.tables[Product.__tablename__]
PRICES = {"min_price", "max_price"}
# A search first looks for matches among this many products. It uses the index of words
# only if too few of them match, because PostgreSQL reads all index entries of a word.
NEAR = 1000


class unindexed(FunctionElement[Any]):  # noqa: N801 - it is used like a SQL function
    """A column that SQLite must not look up in an index.

    Without statistics, SQLite expects that every filter leaves few rows. It then reads
    and sorts these rows, instead of reading rows in the order of the list. PostgreSQL
    has statistics and chooses well. See "Disqualifying Terms Using Unary '+'" at
    https://sqlite.org/optoverview.html.
    """

    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(unindexed)
def _column(element: unindexed, compiler: SQLCompiler, **kw: Any) -> str:
    return str(compiler.process(element.clauses, **kw))


@compiles(unindexed, "sqlite")
def _unary_plus(element: unindexed, compiler: SQLCompiler, **kw: Any) -> str:
    return f"+{compiler.process(element.clauses, **kw)}"


class ProductListing(Listing):
    """Reads products from the table, or from the matches of a search if few match."""

    def __init__(
        self,
        source: FromClause,
        found: ColumnElement[bool],
        *,
        name: str = "products",
        narrow: "ProductListing | None" = None,
        then: "ProductListing | None" = None,
    ) -> None:
        """Make a listing of `source`, which is the table or a selection of its rows.

        `found` is the filter `q`. `narrow` is a listing of the matches only, to use if
        they are few.
        """
        self.columns: Columns = source.c
        self.found = found
        self.narrow = narrow
        self.near = lru_cache(maxsize=1024)(self._near)
        self.count = select(func.count()).select_from(source)
        columns = self.columns
        super().__init__(
            select(*(columns[name] for name in ProductRead.model_fields)),
            both_ways(columns.created_at, columns.price, columns.name, id=columns.id),
            self.conditions((), ""),
            name=name,
            then=then,
        )

    def conditions(self, filters: tuple[str, ...], sort: str) -> Conditions:
        columns = self.columns
        price, status = columns.price, columns.status
        if not sort.endswith("price"):
            price = unindexed(price)
        # Use the index of status only if the list is sorted by `created_at`. If a
        # category is given, use the index of the category, because it leaves fewer
        # rows.
        if "category" in filters or not sort.endswith("created_at"):
            status = unindexed(status)
        return {
            "q": self.found,
            "category": columns.category == bindparam("category"),
            "status": status == bindparam("status"),
            "min_price": price >= bindparam("min_price"),
            "max_price": price <= bindparam("max_price"),
            "in_stock": (columns.stock > 0) == bindparam("in_stock"),
            "only": status == bindparam("only"),
        }

    def _near(
        self, filters: tuple[str, ...], sort: str, *, continued: bool
    ) -> Select[Any]:
        """Look for matches only among the next `NEAR` products in this order."""
        indexed = {"category"} | (PRICES if sort.endswith("price") else set())
        given = tuple(name for name in filters if name in indexed)
        ordered = self._statement(given, sort, continued=continued).limit(NEAR)
        near = ordered.add_columns(column("search")).subquery(PRODUCT.name)
        conditions = self.conditions(filters, sort)
        others = (conditions[name] for name in filters if name not in indexed)
        found = select(*(near.c[name] for name in ProductRead.model_fields)).where(
            *map(ClauseAdapter(near).traverse, others)
        )
        return self.orders[sort].apply(found, continued=False)

    async def rows(
        self,
        read: ReadSession,
        filters: tuple[str, ...],
        sort: str,
        values: Mapping[str, Any],
    ) -> Sequence[Row[Any]]:
        if (
            self.narrow is not None
            and "q" in filters
            and read.engine.dialect.name == "postgresql"
        ):
            near = self.near(filters, sort, continued="page_after" in values)
            rows = await read.all(near, values)
            if len(rows) == values["page_rows"]:
                return rows
            for lookup in await lookups(read, values["q"]):
                values = {**values, "lookup": lookup}
                [[count]] = await read.all(self.narrow.count, values)
                if count <= FEW:
                    return await self.narrow.rows(read, filters, sort, values)
        statement = self.statement(filters, sort, continued="page_after" in values)
        return await read.shared(statement, values)


FOUND, TITLES = few(PRODUCT.c, title=False), few(PRODUCT.c, title=True)

PRODUCTS = ProductListing(
    PRODUCT,
    matches(QUERY),
    narrow=ProductListing(FOUND, matches_in(FOUND, QUERY)),
)
# Products that match in their title come first. A second list has the other matches, so
# that the database does not rank products that the page does not show.
BY_RELEVANCE = ProductListing(
    PRODUCT,
    matches(TITLE),
    name="products by relevance",
    narrow=ProductListing(TITLES, matches_in(TITLES, TITLE)),
    then=ProductListing(
        PRODUCT,
        matches(QUERY) & ~matches(TITLE),
        narrow=ProductListing(
            FOUND, matches_in(FOUND, QUERY) & ~matches_in(FOUND, TITLE)
        ),
    ),
)
