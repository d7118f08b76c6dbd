"""The base class of models, and column types that act alike on both databases."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Enum,
    ForeignKey,
    MetaData,
    Numeric,
    String,
    TypeDecorator,
    or_,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeEngine
from uuid_utils.compat import uuid7


def utc_now() -> datetime:
    return datetime.now(UTC)


class SQLiteInstant(TypeDecorator[datetime]):
    """An aware datetime, stored in UTC because SQLite has no time zones."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        return value and value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        return value and value.replace(tzinfo=UTC)


class SQLiteDecimal(TypeDecorator[Decimal]):
    """An exact number, stored as a whole number because SQLite has no decimals."""

    impl = BigInteger
    cache_ok = True

    def __init__(self, places: int) -> None:
        super().__init__()
        self.places = places

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        return None if value is None else int(value.scaleb(self.places))

    def process_result_value(
        self, value: int | None, dialect: Dialect
    ) -> Decimal | None:
        return None if value is None else Decimal(value).scaleb(-self.places)


def exact(digits: int, places: int) -> TypeEngine[Decimal]:
    """A decimal with at most 18 digits, `places` of them after the decimal point."""
    return Numeric(digits, places).with_variant(SQLiteDecimal(places), "sqlite")


Instant = DateTime(timezone=True).with_variant(SQLiteInstant(), "sqlite")
Money = exact(14, 2)


def stored_enum(kind: type[StrEnum], name: str) -> Enum:
    """Store the values of an enum as text. A constraint refuses other values."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        length=16,
        create_constraint=True,
        values_callable=lambda members: [member.value for member in members],
    )


class Base(DeclarativeBase):
    # Alembic can drop a constraint only by its name.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )

    @classmethod
    def useless(cls, now: datetime) -> ColumnElement[bool] | None:
        """Return the condition for rows to delete at this time, or None to keep all."""
        return None

    type_annotation_map = {datetime: Instant, Decimal: Money}  # noqa: RUF012


def when_created(context: Any) -> datetime:
    """Return `created_at` of the new row, so that both times are equal."""
    instant: datetime = context.get_current_parameters()["created_at"]
    return instant


class Record:
    """A key and two times. The application sets all three, not the database."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=when_created, onupdate=utc_now)


class Expiring:
    """A row that the service deletes when it expires."""

    expires_at: Mapped[datetime] = mapped_column(index=True)

    @classmethod
    def useless(cls, now: datetime) -> ColumnElement[bool]:
        return cls.expires_at < now


# The id of the user whom a row belongs to. The database deletes the row with the user.
OfUser = Annotated[UUID, mapped_column(ForeignKey("users.id", ondelete="CASCADE"))]


class Credential(Record, Base):
    """A table of credentials that let their user in without a login.

    The service revokes them when it must assume that another person made them.
    """

    __abstract__ = True

    user_id: Mapped[OfUser]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None] = mapped_column(String(20))

    @classmethod
    def useless(cls, now: datetime) -> ColumnElement[bool]:
        long_ago = now - timedelta(days=30)
        return or_(cls.revoked_at < long_ago, cls.expires_at < long_ago)
