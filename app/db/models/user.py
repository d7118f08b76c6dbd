from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Record, stored_enum


class Role(StrEnum):
    USER = "user"
    EDITOR = "editor"
    ADMIN = "admin"


class User(Record, Base):
    __tablename__ = "users"

    email: Mapped[str] = mapped_column(String(254))  # in the user's spelling, for mail
    email_canonical: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    full_name: Mapped[str | None] = mapped_column(String(200))
    role: Mapped[Role] = mapped_column(stored_enum(Role, "role"), default=Role.USER)
    is_active: Mapped[bool] = mapped_column(default=True)
    email_verified: Mapped[bool] = mapped_column(default=False)
    # The names of the second factors that the user has enrolled, space-separated. They
    # are here so that a login sees them in the row that it locks.
    second_factors: Mapped[str] = mapped_column(
        String(100), default="", server_default=text("''")
    )
    # When the grace period for MFA_REQUIRED_ROLES began. An account has only one such
    # period.
    mfa_asked_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    __table_args__ = (
        Index(None, "created_at", "id"),
        Index(None, "role", "created_at", "id"),
        Index(None, "is_active", "created_at", "id"),
        # Without this index, a search for active admins would read every user.
        Index(
            "ix_users_active_admins",
            "id",
            postgresql_where=text("role = 'admin' AND is_active"),
            sqlite_where=text("role = 'admin' AND is_active"),
        ),
    )

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
