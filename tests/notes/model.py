"""The table of notes. The fixtures create it, because no migration does."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, MetaData, String, Text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.db.base import Base, Record
from app.db.models.user import User


class TestedBase(DeclarativeBase):
    """The base of the notes. A resource of the service uses `app.db.base.Base` instead.

    This base has its own metadata, because `db check` compares the metadata of the
    service with the migrations.
    """

    metadata = MetaData(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = Base.type_annotation_map


class Note(Record, TestedBase):
    __tablename__ = "notes"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text)
    budget: Mapped[Decimal] = mapped_column(default=Decimal("0.00"))
    likes: Mapped[int] = mapped_column(BigInteger, default=0)
    version: Mapped[int] = mapped_column(default=1)

    __table_args__ = (
        Index(None, "owner_id", "title", unique=True),
        # The service reads a page in order from one of these indexes.
        Index(None, "owner_id", "created_at", "id"),
        Index(None, "owner_id", "title", "id"),
        Index(None, "owner_id", "budget", "id"),
    )

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


async def create_table(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(TestedBase.metadata.create_all)


async def drop_table(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(TestedBase.metadata.drop_all)
