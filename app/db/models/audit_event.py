from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Index, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from app.db.base import Base, utc_now


class AuditEvent(Base):
    """An event of an account, or a change together with its author.

    Triggers refuse every change of a row, except the change that erases its `ip` and
    `user_agent`. They refuse to delete a row of the last 30 days.

    There are no foreign keys, so that events outlive the accounts they are about.
    """

    __tablename__ = "audit_events"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    occurred_at: Mapped[datetime] = mapped_column(default=utc_now)
    event: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(String(16))
    actor_type: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[UUID | None]
    subject_type: Mapped[str | None] = mapped_column(String(16))
    subject_id: Mapped[UUID | None]
    session_id: Mapped[UUID | None]
    ip: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(256))
    request_id: Mapped[str | None] = mapped_column(String(64))
    detail: Mapped[dict[str, Any]] = mapped_column(
        JSON().with_variant(JSONB(), "postgresql")
    )

    __table_args__ = (
        Index(None, "occurred_at", "id"),
        Index(None, "subject_id", "occurred_at", "id"),
        Index(None, "actor_id", "occurred_at", "id"),
        Index(None, "event", "occurred_at", "id"),
    )
