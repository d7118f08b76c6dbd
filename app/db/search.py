"""Full-text search of products: the same words find the same ones on both databases.

A product is found when each word of the query begins one of its words. What parts
words (punctuation, symbols) finds nothing. PostgreSQL has the column `search` and
SQLite the table `products_search`, which the database keeps up to date; neither is
mapped, so that no other query reads them.
"""

import re
from typing import Any

from sqlalchemy import (
    BindParameter,
    Boolean,
    ColumnElement,
    String,
    TableValuedAlias,
    TypeDecorator,
    column,
    func,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

Columns = ReadOnlyColumnCollection[str, Any]

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    return _WORD.findall(text)


class Words(TypeDecorator[str]):
    """Text as a query in the language of the database, in which it stands for itself.

    With `title` every word must be in the name or the SKU.
    """

    impl = String
    cache_ok = True

    def __init__(self, *, title: bool = False) -> None:
        super().__init__()
        self.title = title

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str:
        if dialect.name == "postgresql":
            weight = "A" if self.title else ""
            return " & ".join(f"'{word}':*{weight}" for word in words(value or ""))
        columns = "{name sku} : " if self.title else ""
        return " AND ".join(f'{columns}"{word}"*' for word in words(value or ""))


class matches(FunctionElement[bool]):  # noqa: N801 - reads as the SQL function it is
    """Whether a product matches the `Words` of the bound parameter."""

    type = Boolean()
    inherit_cache = True


@compiles(matches, "postgresql")
def _tsvector(element: ColumnElement[bool], compiler: SQLCompiler, **kw: Any) -> str:
    query = compiler.process(element.clauses, **kw)
    return f"(products.search @@ to_tsquery('simple', {query}))"


@compiles(matches, "sqlite")
def _fts5(element: ColumnElement[bool], compiler: SQLCompiler, **kw: Any) -> str:
    query = compiler.process(element.clauses, **kw)
    found = "SELECT rowid FROM products_search WHERE products_search MATCH"
    return f"(products.rowid IN ({found} {query}))"


# On PostgreSQL, words that at most so many products have: these are read from their
# index and sorted. Others are met often enough on the way through the list.
FEW = 1000


def few(query: BindParameter[Any], columns: Columns) -> TableValuedAlias:
    """The products that match, as long as they are few."""
    found = func.products_matching(func.to_tsquery("simple", query), FEW + 1)
    typed = (column(each.name, each.type) for each in columns)
    return found.table_valued(*typed, column("search"), name="found")


def found_matches(
    found: TableValuedAlias, query: BindParameter[Any]
) -> ColumnElement[bool]:
    return found.c.search.bool_op("@@")(func.to_tsquery("simple", query))
