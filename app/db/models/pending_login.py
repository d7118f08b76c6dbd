from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Expiring, OfUser


class PendingLogin(Expiring, Base):
    """A login that waits for the second factor. Its `mfa_token` works once."""

    __tablename__ = "pending_logins"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_id: Mapped[OfUser] = mapped_column(index=True)
    # How the user has proved the identity so far, in the same form as in a session.
    amr: Mapped[str] = mapped_column(String(100))
    # Copied when the login begins. If the user changes the password, the login ends.
    password_fingerprint: Mapped[bytes] = mapped_column(LargeBinary(8))
    device_id: Mapped[bytes | None] = mapped_column(LargeBinary(16))  # if known
    tries: Mapped[int] = mapped_column(default=0)
