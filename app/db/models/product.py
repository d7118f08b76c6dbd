from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from app.db.base import Base, Record, stored_enum, utc_now

# Objects that only the migration creates, because search differs by database.
OF_SEARCH = ("products.search", "products.ix_products_search", "products_search*")
# With this collation PostgreSQL sorts by bytes in every locale, as SQLite does.
SortedText = String(200).with_variant(String(200, collation="C"), "postgresql")


class ProductStatus(StrEnum):
    DRAFT = "draft"
    ACTIVE = "active"
    ARCHIVED = "archived"


class Product(Record, Base):
    __tablename__ = "products"

    sku: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(SortedText)
    description: Mapped[str | None] = mapped_column(String(5000))
    price: Mapped[Decimal]
    currency: Mapped[str] = mapped_column(String(3))
    stock: Mapped[int] = mapped_column(BigInteger)
    category: Mapped[str | None] = mapped_column(String(100))
    status: Mapped[ProductStatus] = mapped_column(stored_enum(ProductStatus, "status"))
    version: Mapped[int] = mapped_column(default=1)
    # `search_columns` makes these for the index of full-text search.
    title_words: Mapped[str | None] = mapped_column(Text, deferred=True)
    category_words: Mapped[str | None] = mapped_column(Text, deferred=True)
    description_words: Mapped[str | None] = mapped_column(Text, deferred=True)

    __table_args__ = (
        CheckConstraint("stock >= 0", name="stock_not_negative"),
        CheckConstraint("price >= 0", name="price_not_negative"),
        # The database reads the rows of a page in order from one of these indexes. An
        # index of status and price, or of status and name, would make an import a tenth
        # slower. Without such an index, a list that a visitor sorts by price or by name
        # reads the inactive products, too, and skips them.
        Index(None, "status", "created_at", "id"),
        Index(None, "created_at", "id"),
        Index(None, "price", "id"),
        Index(None, "name", "id"),
        Index(None, "category", "created_at", "id"),
        Index(None, "category", "price", "id"),
        Index(None, "category", "name", "id"),
        {"info": {"unmapped": OF_SEARCH}},
    )

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class StockMovement(Base):
    """One change of a product's stock. Triggers refuse to change or delete a row.

    There are no foreign keys, so that rows outlive the product and the user.
    """

    __tablename__ = "stock_movements"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    product_id: Mapped[UUID]
    delta: Mapped[int] = mapped_column(BigInteger)
    stock_after: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(200))
    actor_id: Mapped[UUID | None]  # None: the command line
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    __table_args__ = (Index(None, "product_id", "created_at", "id"),)
