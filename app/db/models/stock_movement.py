from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from app.db.base import Base, utc_now


class StockMovement(Base):
    """One change of a product's stock; the database lets nobody rewrite it.

    Without foreign keys: the log outlives the product and who changed it.
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
