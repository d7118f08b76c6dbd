"""Full-text search of products: the same words find the same ones on both databases.

A product is found when each word of the query begins one of its words; what parts
words (spaces, punctuation, symbols) finds nothing. The title of a product is name and
SKU.
PostgreSQL has the columns `search` and `search_title`, and SQLite has the table
`products_search`. The database keeps them up to date; they are not mapped, so that no
other query reads them.
"""

from typing import Any
from unicodedata import category

from sqlalchemy import (
    BindParameter,
    Boolean,
    ColumnElement,
    String,
    TableValuedAlias,
    TypeDecorator,
    bindparam,
    column,
    func,
    select,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

Columns = ReadOnlyColumnCollection[str, Any]

# What remains, in both databases since revision 0010: letters, numbers, and the marks
# on them; the last two characters only say how to draw the emoji before them.
PARTING = set("Cc Cf Me Zs Zl Zp Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So".split())
PRESENTATION = "\ufe0e\ufe0f"


def words(text: str) -> list[str]:
    return "".join(" " if parts_words(each) else each for each in text).split()


def parts_words(character: str) -> bool:
    return category(character) in PARTING or character in PRESENTATION


class Words(TypeDecorator[str]):
    """Text as a query of the database, in which it stands for itself.

    PostgreSQL makes it by the function that makes the words of products.
    """

    impl = String
    cache_ok = True

    def __init__(self, *, title: bool) -> None:
        super().__init__()
        self.title = title

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str:
        text = value or ""
        if dialect.name == "postgresql":
            return text
        columns = "{name sku} : " if self.title else ""
        return " AND ".join(f'{columns}"{word}"*' for word in words(text))


QUERY = bindparam("q", type_=Words(title=False))
TITLE = bindparam("title", type_=Words(title=True))


class matches(FunctionElement[bool]):  # noqa: N801 - reads as the function it is
    """Whether a product matches `QUERY`, or in its title `TITLE`."""

    type = Boolean()
    inherit_cache = True


@compiles(matches, "postgresql")
def _tsvector(element: matches, compiler: SQLCompiler, **kw: Any) -> str:
    query = compiler.process(element.clauses, **kw)
    column = _column(element)
    # IS TRUE keeps the planner from the index of words: see FEW.
    return f"((products.{column} @@ (SELECT products_query({query}))) IS TRUE)"


@compiles(matches, "sqlite")
def _fts5(element: matches, compiler: SQLCompiler, **kw: Any) -> str:
    query = compiler.process(element.clauses, **kw)
    found = "SELECT rowid FROM products_search WHERE products_search MATCH"
    return f"(products.rowid IN ({found} {query}))"


def _column(element: matches) -> str:
    [query] = element.clauses
    return "search_title" if query.key == TITLE.key else "search"


# On PostgreSQL, words that at most so many products have: these products are read by
# the index of words and sorted. Others are met often enough on the way through the
# list. The planner cannot choose, as it does not know how many begin with a prefix.
FEW = 1000


def few(query: BindParameter[Any], columns: Columns) -> TableValuedAlias:
    """The products that match, as long as they are few."""
    matching = (
        func.products_matching_title
        if query.key == TITLE.key
        else func.products_matching
    )
    found = matching(func.products_query(query), FEW + 1)
    typed = (column(each.name, each.type) for each in columns)
    return found.table_valued(*typed, column("search_title"), name="found")


def matches_title(found: TableValuedAlias) -> ColumnElement[bool]:
    query = select(func.products_query(TITLE)).scalar_subquery()
    return found.c.search_title.bool_op("@@")(query)
