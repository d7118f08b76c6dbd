from datetime import datetime

from sqlalchemy import Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, OfUser, Record


class AuthSession(Record, Base):
    """One login. `generation` is that of its newest refresh token (RFC 9700 §4.14)."""

    __tablename__ = "auth_sessions"

    user_id: Mapped[OfUser]
    salt: Mapped[bytes] = mapped_column(LargeBinary(32))  # for its refresh tokens
    generation: Mapped[int] = mapped_column(default=0)
    scope: Mapped[str] = mapped_column(String(500))
    amr: Mapped[str] = mapped_column(String(100))  # RFC 8176 values, space-separated
    acr: Mapped[str] = mapped_column(String(20))
    auth_time: Mapped[datetime]
    second_factor_at: Mapped[datetime | None]  # when a second factor was last given
    user_agent: Mapped[str | None] = mapped_column(String(256))
    ip: Mapped[str] = mapped_column(String(45))
    last_ip: Mapped[str] = mapped_column(String(45))
    rotated_at: Mapped[datetime]
    idle_expires_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None] = mapped_column(String(20))

    __table_args__ = (
        Index(
            "ix_auth_sessions_live_user_id_created_at_id",
            "user_id",
            "created_at",
            "id",
            postgresql_where=text("revoked_at IS NULL"),
            sqlite_where=text("revoked_at IS NULL"),
        ),
        Index(None, "expires_at"),
    )
