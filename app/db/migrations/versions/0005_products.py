"""Products, the movements of their stock, and full-text search."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"

INSTANT = sa.DateTime(timezone=True).with_variant(sa.DateTime(), "sqlite")
STATUS = sa.Enum(
    "draft",
    "active",
    "archived",
    name="status",
    native_enum=False,
    create_constraint=True,
    length=16,
)
SEARCH = (
    "array_to_tsvector(string_to_array(title_words, ' ')"
    " || string_to_array(category_words, ' ')"
    " || string_to_array(description_words, ' '))"
)
# Finds products by words that few products have. Without this function, the planner
# does not know that few products match. It then reads the whole table in the order of
# the page.
MATCHING = """
CREATE FUNCTION products_matching(query tsquery, most integer)
RETURNS SETOF products LANGUAGE sql STABLE SET enable_seqscan = off AS
$$ SELECT * FROM products WHERE search @@ query LIMIT most $$
"""
REFUSE_CHANGE = """
CREATE TRIGGER stock_movements_refuse_change
BEFORE UPDATE OR DELETE OR TRUNCATE ON stock_movements
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
# The only ASCII characters in words are letters, digits and the mark of titles `^`.
# Therefore this tokenizer splits the words only at spaces. The index refers to rowids.
# VACUUM keeps the rowids, because the table has indexes. A migration that copies
# `products` must create the triggers again and run 'rebuild'.
WORDS = "title_words, category_words, description_words"
FORGET = """
INSERT INTO products_search
    (products_search, rowid, title_words, category_words, description_words)
VALUES
    ('delete', old.rowid, old.title_words, old.category_words, old.description_words)
"""
LEARN = """
INSERT INTO products_search (rowid, title_words, category_words, description_words)
VALUES (new.rowid, new.title_words, new.category_words, new.description_words)
"""
ON_SQLITE = (
    f"""
    CREATE VIRTUAL TABLE products_search USING fts5(
        {WORDS}, content=products, detail=none, tokenize="ascii tokenchars '^'"
    )
    """,
    f"""
    CREATE TRIGGER products_search_insert AFTER INSERT ON products
    BEGIN {LEARN}; END
    """,
    f"""
    CREATE TRIGGER products_search_delete AFTER DELETE ON products
    BEGIN {FORGET}; END
    """,
    f"""
    CREATE TRIGGER products_search_update AFTER UPDATE OF {WORDS} ON products
    BEGIN {FORGET}; {LEARN}; END
    """,
    *(
        f"""
        CREATE TRIGGER stock_movements_refuse_{operation.lower()}
        BEFORE {operation} ON stock_movements
        BEGIN SELECT RAISE(ABORT, 'stock_movements is append-only'); END
        """
        for operation in ("UPDATE", "DELETE")
    ),
)


def upgrade() -> None:
    op.create_table(
        "products",
        sa.Column("sku", sa.String(length=64), nullable=False),
        sa.Column(
            "name",
            sa.String(length=200).with_variant(
                sa.String(length=200, collation="C"), "postgresql"
            ),
            nullable=False,
        ),
        sa.Column("description", sa.String(length=5000), nullable=True),
        sa.Column(
            "price",
            sa.Numeric(precision=14, scale=2).with_variant(sa.BigInteger(), "sqlite"),
            nullable=False,
        ),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("stock", sa.BigInteger(), nullable=False),
        sa.Column("category", sa.String(length=100), nullable=True),
        sa.Column("status", STATUS, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title_words", sa.Text(), nullable=True),
        sa.Column("category_words", sa.Text(), nullable=True),
        sa.Column("description_words", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.CheckConstraint("price >= 0", name=op.f("ck_products_price_not_negative")),
        sa.CheckConstraint("stock >= 0", name=op.f("ck_products_stock_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
        sa.UniqueConstraint("sku", name=op.f("uq_products_sku")),
    )
    for key in (
        *("created_at", "price", "name", "status created_at"),
        *("category created_at", "category price", "category name"),
    ):
        columns = [*key.split(), "id"]
        name = op.f("_".join(["ix_products", *columns]))
        op.create_index(name, "products", columns)

    op.create_table(
        "stock_movements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("delta", sa.BigInteger(), nullable=False),
        sa.Column("stock_after", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_movements")),
    )
    op.create_index(
        op.f("ix_stock_movements_product_id_created_at_id"),
        "stock_movements",
        ["product_id", "created_at", "id"],
    )

    if op.get_bind().dialect.name == "postgresql":
        words = sa.Computed(SEARCH, persisted=True)
        # safety: adding-field-with-default: the table is new, so it has no rows
        op.add_column("products", sa.Column("search", postgresql.TSVECTOR(), words))
        op.create_index(
            "ix_products_search", "products", ["search"], postgresql_using="gin"
        )
        op.execute(MATCHING)
        op.execute(REFUSE_CHANGE)
    else:
        for statement in ON_SQLITE:
            op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION products_matching")
    else:
        op.execute("DROP TABLE products_search")
    # This drops their indexes and triggers, too.
    op.drop_table("stock_movements")
    op.drop_table("products")
