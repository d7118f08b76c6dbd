"""Full-text search of products.

A query finds a product if each word of the query is the beginning of a word of the
product. The function `words` splits queries and products, so that both databases find
the same products. The service stores the words of a product when it writes the product.
PostgreSQL indexes the words in the generated column `search`, SQLite in the table
`products_search`.

The words of the title (name and SKU) are stored twice, the second time with
`TITLE_MARK` in front. A search for marked words finds only titles, so titles need no
index of their own.
"""

from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any
from unicodedata import category, normalize

from sqlalchemy import (
    BindParameter,
    Boolean,
    ColumnElement,
    String,
    TableValuedAlias,
    TypeDecorator,
    bindparam,
    cast,
    column,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from app.db.reads import ReadSession

Columns = ReadOnlyColumnCollection[str, Any]

# These categories of Unicode separate words. Words consist of all other characters:
# letters, numbers and the marks on them.
SEPARATING = set("Cc Cf Me Zs Zl Zp Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So".split())
PRESENTATION = "\ufe0e\ufe0f"  # these only say how the emoji before them is drawn
LONGEST = 255  # characters: a tsvector refuses words of more than 2046 bytes
MOST_PREFIXES = 16  # at most this many words of a query are searched
MOST_LETTERS = 8  # at most this many of them are single letters, which find many words
TITLE_MARK = "^"  # a separator, so that no word of a product or a query contains it
SEARCHED = ("name", "sku", "category", "description")


class Separators:
    """A table for `str.translate` that replaces every separator by a space."""

    @staticmethod
    @lru_cache(maxsize=4096)
    def __getitem__(point: int) -> str:
        character = chr(point)
        separates = category(character) in SEPARATING or character in PRESENTATION
        return " " if separates else character


SEPARATORS = Separators()


def words(text: str) -> list[str]:
    """Split `text` into its different words, with their case folded.

    Folding can take composed letters apart, so the text is composed again.
    """
    folded = normalize("NFC", normalize("NFC", text).casefold())
    parts = folded.translate(SEPARATORS).split()
    return list(dict.fromkeys([part[:LONGEST] for part in parts]))


def prefixes(query: str) -> list[str]:
    """Choose the words to search for. Few and long words make the search faster.

    Leave out a word with which another word of the query begins, because the longer
    word finds fewer products. Only the longest words of a long query are searched, so
    such a query can find products that lack a shorter word.
    """
    ordered = sorted(words(query))
    needed = [
        word
        for word, following in pairwise([*ordered, ""])
        if not following.startswith(word)
    ]
    letters = [word for word in needed if len(word) == 1]
    longer = sorted((word for word in needed if len(word) > 1), key=len, reverse=True)
    return [*longer, *letters[:MOST_LETTERS]][:MOST_PREFIXES]


def search_columns(product: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the columns that search reads. `product` needs all fields of `SEARCHED`.

    Each field that can be absent has a column of its own. If an import leaves out the
    field, the product therefore keeps the words of the field, too.
    """
    title = words(f"{product['name']} {product['sku']}")
    columns: dict[str, str | None] = {
        "title_words": " ".join([*title, *(TITLE_MARK + word for word in title)])
    }
    for name in ("category", "description"):
        text = product[name]
        columns[f"{name}_words"] = None if text is None else " ".join(words(text))
    return columns


class Words(TypeDecorator[str]):
    """Turns the text that a client searches for into a query of the database."""

    impl = String
    cache_ok = True

    def __init__(self, *, title: bool) -> None:
        super().__init__()
        self.mark = TITLE_MARK if title else ""

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str:
        found = [self.mark + word for word in prefixes(value or "")]
        if dialect.name == "postgresql":
            return " & ".join(f"'{word}':*" for word in found)
        return " AND ".join(f'"{word}"*' for word in found)


QUERY = bindparam("q", type_=Words(title=False))
TITLE = bindparam("title", type_=Words(title=True))


class matches(FunctionElement[bool]):  # noqa: N801 - it is used like a SQL function
    """Whether a product matches `QUERY`, or matches `TITLE` in its title."""

    type = Boolean()
    inherit_cache = True


@compiles(matches, "postgresql")
def _tsvector(element: matches, compiler: SQLCompiler, **kw: Any) -> str:
    query = compiler.process(element.clauses, **kw)
    # IS TRUE keeps the planner from using the index of words. FEW says why.
    return f"((products.search @@ (SELECT CAST({query} AS tsquery))) IS TRUE)"


@compiles(matches, "sqlite")
def _fts5(element: matches, compiler: SQLCompiler, **kw: Any) -> str:
    query = compiler.process(element.clauses, **kw)
    found = "SELECT rowid FROM products_search WHERE products_search MATCH"
    return f"(products.rowid IN ({found} {query}))"


# If at most this many products match, PostgreSQL finds them by the index of words and
# sorts them. Otherwise it reads the list in order, and soon finds enough matches.
# The service makes this choice, because the planner does not know how many words begin
# with a prefix.
FEW = 1000
# A lookup in the index reads all entries of each word, even if another word is rare.
# The service therefore first looks up only the rarest word. `pg_stats` has the most
# common words, and the share of the products that contain each word.
RAREST = text(
    """
    SELECT word
    FROM unnest(CAST(:words AS text[])) WITH ORDINALITY AS asked (word, place)
    LEFT JOIN (
        SELECT unnest(most_common_elems::text::text[]) AS common,
            unnest(most_common_elem_freqs) AS share
        FROM pg_stats
        WHERE schemaname = current_schema()
            AND tablename = 'products' AND attname = 'search'
    ) AS stats ON common ^@ word
    GROUP BY word, place ORDER BY coalesce(sum(share), 0), place LIMIT 1
    """
)


async def lookups(read: ReadSession, query: str) -> list[str]:
    """Return the values of `lookup` that `few` should try, one after the other."""
    asked = prefixes(query)
    if len(asked) < 2:
        return [query]
    [[rarest]] = await read.all(RAREST, {"words": asked})
    return [rarest, query]


def few(columns: Columns, *, title: bool) -> TableValuedAlias:
    """Select products that match `lookup`, at most `FEW` + 1 of them."""
    lookup = bindparam("lookup", type_=Words(title=title))
    found = func.products_matching(cast(lookup, TSQUERY), FEW + 1)
    typed = (column(each.name, each.type) for each in columns)
    return found.table_valued(*typed, column("search"), name="found")


def matches_in(
    found: TableValuedAlias, query: BindParameter[Any]
) -> ColumnElement[bool]:
    wanted = select(cast(query, TSQUERY)).scalar_subquery()
    return found.c.search.bool_op("@@")(wanted)
