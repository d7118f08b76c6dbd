from datetime import datetime

from sqlalchemy import JSON, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Record

PENDING = text("sent_at IS NULL AND dead_at IS NULL")


class OutboxMail(Record, Base):
    """A mail to deliver. Its id becomes the Message-ID."""

    __tablename__ = "outbox_mails"

    template: Mapped[str] = mapped_column(String(40))
    recipient: Mapped[str | None] = mapped_column(String(254))  # None: never sent
    context: Mapped[dict[str, str]] = mapped_column(JSON)  # emptied after delivery
    expires_at: Mapped[datetime | None]  # when its link expires
    # Earliest time of delivery. A worker that claims the mail adds the lease to this
    # time, so that another worker takes the mail if this worker dies.
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None] = mapped_column(String(200))
    sent_at: Mapped[datetime | None]
    dead_at: Mapped[datetime | None]  # the worker has given up; see `replay`

    __table_args__ = (
        Index(
            "ix_outbox_mails_pending_due_at",
            "due_at",
            postgresql_where=PENDING,
            sqlite_where=PENDING,
        ),
        Index(None, "created_at"),
    )
