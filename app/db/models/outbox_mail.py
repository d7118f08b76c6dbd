from datetime import datetime

from sqlalchemy import JSON, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Record

PENDING = text("sent_at IS NULL AND dead_at IS NULL")


class OutboxMail(Record, Base):
    """A mail that a committed change owes somebody; its id is the Message-ID."""

    __tablename__ = "outbox_mails"

    template: Mapped[str] = mapped_column(String(40))
    recipient: Mapped[str | None] = mapped_column(String(254))  # None: to nobody
    context: Mapped[dict[str, str]] = mapped_column(JSON)  # emptied once it is sent
    # Nobody takes it earlier. Taking it moves this on: whoever then dies loses the
    # mail to the next worker when the lease ends.
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None] = mapped_column(String(200))
    sent_at: Mapped[datetime | None]
    dead_at: Mapped[datetime | None]  # given up until it is replayed

    __table_args__ = (
        Index(
            "ix_outbox_mails_pending_due_at",
            "due_at",
            postgresql_where=PENDING,
            sqlite_where=PENDING,
        ),
        Index(None, "sent_at"),
    )
