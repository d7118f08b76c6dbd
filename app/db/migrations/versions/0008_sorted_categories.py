"""List a category by price or name without sorting."""

from collections.abc import Sequence

from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

ADDED = {
    "ix_products_category_price_id": ["category", "price", "id"],
    "ix_products_category_name_id": ["category", "name", "id"],
}


def upgrade() -> None:
    for name, columns in ADDED.items():
        op.create_index(name, "products", columns)


def downgrade() -> None:
    for name in ADDED:
        op.drop_index(name, "products")
