"""Search for the same words on both databases, whatever their script.

On PostgreSQL this writes `products` anew, and nobody reads it meanwhile.
"""

import sys
from collections.abc import Sequence
from itertools import groupby
from unicodedata import category, normalize

from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

STORED = {
    ("products", "name"): 200,
    ("products", "category"): 100,
    ("products", "description"): 5000,
    ("users", "full_name"): 200,
}
COMPOSE = """
UPDATE {table} SET {column} = normalize({column})
WHERE {column} <> normalize({column}) AND length(normalize({column})) <= {most}
"""
# What remains is letters, numbers, the marks on them, and what Unicode leaves free; the
# last two characters only say how to draw the emoji before them.
PARTING = set("Cc Cf Me Zs Zl Zp Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So".split())
PRESENTATION = "\ufe0e\ufe0f"
# SQLite, for which case is more than `lower` knows, takes these for those.
SMALL_LETTERS = "µſ\u0345ςϐϑϕϖϰϱϵẛ", "μsισβθφπκρεṡ"  # noqa: RUF001
# Whatever the locale of the database, if there is one of these; which there is since
# PostgreSQL 17, and with ICU.
COLLATION = """
SELECT quote_ident(collname) FROM pg_collation
WHERE collname IN ('pg_c_utf8', 'und-x-icu', 'default')
ORDER BY collname = 'default', collname LIMIT 1
"""
# Not by to_tsvector: its parser parts words as it, and the locale, see fit. A tsvector
# takes words of 2046 bytes.
WORDS = """
CREATE FUNCTION products_words(text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    parted text := trim(regexp_replace($1, '[{parting}]+', ' ', 'g'));
    words text := lower(parted COLLATE {collation});
BEGIN
    IF octet_length(words) > 2046 THEN
        words := regexp_replace(words, '([^ ]{{255}})[^ ]+', '\\1', 'g');
    END IF;
    IF octet_length(words) > length(words) THEN
        words := translate(words, '{small[0]}', '{small[1]}');
    END IF;
    RETURN words;
END
$$
"""
QUERY = """
CREATE FUNCTION products_query(text) RETURNS tsquery
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CAST(replace(nullif(products_words($1), ''), ' ', ':*&') || ':*' AS tsquery)
$$
"""
SEARCH = """
ALTER TABLE products DROP COLUMN search_title, DROP COLUMN search,
ADD COLUMN search_title tsvector GENERATED ALWAYS AS ({title}) STORED,
ADD COLUMN search tsvector GENERATED ALWAYS AS ({all}) STORED
"""
TITLE = "name || ' ' || sku"
ALL = f"{TITLE} || ' ' || coalesce(category, '') || ' ' || coalesce(description, '')"
MATCHABLE = "CAST(products_words({text}) AS tsvector)"
MATCHABLE_BEFORE = (
    "to_tsvector('simple', regexp_replace({text}, "
    r"'[\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u00A9\u00AB-\u00B1\u00B4"
    r"\u00B6-\u00B8\u00BB\u00BF\u00D7\u00F7\u2000-\u206F\u20A0-\u20CF\u2190-\u245F"
    r"\u2500-\u2BFF\u3000-\u3004\u3008-\u3020\uFF01-\uFF0F\uFF1A-\uFF20"
    r"\U0001F000-\U0001FAFF]+', ' ', 'g'))"
)
# Its own idea of categories is of 2012, when much was not yet a symbol: for a word it
# takes all that it does not know.
TOKENIZE = "categories 'L* N* M* Co' separators '{separators}'"
# The triggers stay, as they know the table by its name.
FTS5 = """
CREATE VIRTUAL TABLE products_search USING fts5(
    name, sku, category, description,
    content=products, tokenize="unicode61 remove_diacritics 0 {tokenize}"
)
"""
REBUILD = "INSERT INTO products_search(products_search) VALUES ('rebuild')"


def upgrade() -> None:
    connection = op.get_bind().connection
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    if not on_postgresql:
        connection.create_function("normalize", 1, composed)
    for (table, column), most in STORED.items():
        op.execute(COMPOSE.format(table=table, column=column, most=most))
    if on_postgresql:
        collation = op.get_bind().exec_driver_sql(COLLATION).scalar_one()
        ranges = "".join(f"\\U{a:08X}-\\U{b:08X}" for a, b in separators())
        op.execute(
            WORDS.format(parting=ranges, collation=collation, small=SMALL_LETTERS)
        )
        op.execute(QUERY)
        replace_columns(MATCHABLE)
    else:
        points = (chr(n) for a, b in separators() for n in range(max(a, 128), b + 1))
        replace_table(TOKENIZE.format(separators="".join(points)))


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        replace_columns(MATCHABLE_BEFORE)
        op.execute("DROP FUNCTION products_query")
        op.execute("DROP FUNCTION products_words")
    else:
        replace_table("")


def composed(text: str | None) -> str | None:
    return text and normalize("NFC", text)


def separators() -> list[tuple[int, int]]:
    """The first and the last code point of each run that parts words."""
    runs = groupby(range(1, sys.maxunicode + 1), parts_words)
    points = [list(run) for parts, run in runs if parts]
    return [(run[0], run[-1]) for run in points]


def parts_words(point: int) -> bool:
    return category(chr(point)) in PARTING or chr(point) in PRESENTATION


def replace_columns(matchable: str) -> None:
    columns = {"search_title": TITLE, "search": ALL}
    title, all_ = (matchable.format(text=text) for text in columns.values())
    op.execute(SEARCH.format(title=title, all=all_))
    for column in columns:
        op.create_index(
            f"ix_products_{column}", "products", [column], postgresql_using="gin"
        )


def replace_table(tokenize: str) -> None:
    op.execute("DROP TABLE products_search")
    op.execute(FTS5.format(tokenize=tokenize))
    op.execute(REBUILD)
