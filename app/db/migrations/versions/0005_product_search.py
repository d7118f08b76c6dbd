"""Search products, and list them in any order without sorting."""

from collections.abc import Sequence

from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Its parser takes a.b for a host, a/b for a path, and, where the locale is C, all that
# is not ASCII for letters: leave it only words. Ranges depend on no locale.
NOT_WORDS = (
    r"[\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u00A9\u00AB-\u00B1\u00B4"
    r"\u00B6-\u00B8\u00BB\u00BF\u00D7\u00F7\u2000-\u206F\u20A0-\u20CF\u2190-\u245F"
    r"\u2500-\u2BFF\u3000-\u3004\u3008-\u3020\uFF01-\uFF0F\uFF1A-\uFF20"
    r"\U0001F000-\U0001FAFF]+"
)
SEARCH_POSTGRESQL = """
ALTER TABLE products ADD COLUMN {column} tsvector GENERATED ALWAYS AS (
    to_tsvector('simple', regexp_replace({text}, '{not_words}', ' ', 'g'))
) STORED
"""
TITLE = "name || ' ' || sku"
SEARCHED = {
    "search_title": TITLE,
    "search": f"{TITLE} || ' ' || coalesce(category, '')"
    " || ' ' || coalesce(description, '')",
}
# For words that few products have: the planner cannot know how few, and would rather
# read the whole table in the order of the page.
MATCHING = """
CREATE FUNCTION {name}(query tsquery, most integer)
RETURNS SETOF products LANGUAGE sql STABLE SET enable_seqscan = off AS
$$ SELECT * FROM products WHERE {column} @@ query LIMIT most $$
"""
FUNCTIONS = {"search": "products_matching", "search_title": "products_matching_title"}
# The index is by rowid: VACUUM keeps it, as the table has indexes. A migration that
# copies `products` must make the triggers again, and run 'rebuild'.
SEARCH_SQLITE = """
CREATE VIRTUAL TABLE products_search USING fts5(
    name, sku, category, description,
    content=products, tokenize="unicode61 remove_diacritics 0"
);

CREATE TRIGGER products_search_insert AFTER INSERT ON products BEGIN
    INSERT INTO products_search(rowid, name, sku, category, description)
    VALUES (new.rowid, new.name, new.sku, new.category, new.description);
END;

CREATE TRIGGER products_search_delete AFTER DELETE ON products BEGIN
    INSERT INTO products_search
        (products_search, rowid, name, sku, category, description)
    VALUES ('delete', old.rowid, old.name, old.sku, old.category, old.description);
END;

CREATE TRIGGER products_search_update
AFTER UPDATE OF name, sku, category, description ON products BEGIN
    INSERT INTO products_search
        (products_search, rowid, name, sku, category, description)
    VALUES ('delete', old.rowid, old.name, old.sku, old.category, old.description);
    INSERT INTO products_search(rowid, name, sku, category, description)
    VALUES (new.rowid, new.name, new.sku, new.category, new.description);
END;

INSERT INTO products_search(products_search) VALUES ('rebuild');
"""


def upgrade() -> None:
    op.create_index(op.f("ix_products_price_id"), "products", ["price", "id"])
    op.create_index(op.f("ix_products_name_id"), "products", ["name", "id"])
    op.create_index(
        op.f("ix_products_category_created_at_id"),
        "products",
        ["category", "created_at", "id"],
    )
    op.drop_index(op.f("ix_products_category"), "products")
    if op.get_bind().dialect.name == "postgresql":
        for column, text in SEARCHED.items():
            op.execute(
                SEARCH_POSTGRESQL.format(column=column, text=text, not_words=NOT_WORDS)
            )
            op.create_index(
                f"ix_products_{column}", "products", [column], postgresql_using="gin"
            )
        for column, name in FUNCTIONS.items():
            op.execute(MATCHING.format(name=name, column=column))
    else:
        for statement in SEARCH_SQLITE.split("\n\n"):
            op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for column, name in FUNCTIONS.items():
            op.execute(f"DROP FUNCTION {name}")
            op.execute(f"ALTER TABLE products DROP COLUMN {column}")
    else:
        for event in ("insert", "delete", "update"):
            op.execute(f"DROP TRIGGER products_search_{event}")
        op.execute("DROP TABLE products_search")
    op.create_index(op.f("ix_products_category"), "products", ["category"])
    op.drop_index(op.f("ix_products_category_created_at_id"), "products")
    op.drop_index(op.f("ix_products_name_id"), "products")
    op.drop_index(op.f("ix_products_price_id"), "products")
