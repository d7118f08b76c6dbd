from datetime import datetime
from enum import StrEnum

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, OfUser


class TokenPurpose(StrEnum):
    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - a purpose
    CHANGE_EMAIL = "change_email"


class OneTimeToken(Base):
    """The newest mailed token of a user for a purpose. Using it deletes the row.

    An address that is not verified can be registered several times. Each registration
    then has its own token, and the tokens differ by the fingerprint of the password.
    """

    __tablename__ = "one_time_tokens"

    user_id: Mapped[OfUser] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(String(16), primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    # The address and the password are copied when the token is issued. If the user
    # changes one of them, the token is no longer valid.
    email_canonical: Mapped[str] = mapped_column(String(254))
    password_fingerprint: Mapped[bytes] = mapped_column(
        LargeBinary(8), primary_key=True
    )
    password_hash: Mapped[str | None] = mapped_column(String(255))  # for VERIFY_EMAIL
    new_email: Mapped[str | None] = mapped_column(String(254))  # for CHANGE_EMAIL
    expires_at: Mapped[datetime]
