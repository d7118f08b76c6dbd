from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Expiring, OfUser


class PendingLogin(Expiring, Base):
    """A login that waits for the second factor. Its `mfa_token` works once."""

    __tablename__ = "pending_logins"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_id: Mapped[OfUser] = mapped_column(index=True)
    amr: Mapped[str] = mapped_column(String(100))  # what was proved, as in a session
    # Copied when the login begins: it ends once the user changes the password.
    password_fingerprint: Mapped[bytes] = mapped_column(LargeBinary(8))
    device_id: Mapped[bytes | None] = mapped_column(LargeBinary(16))  # if known
    tries: Mapped[int] = mapped_column(default=0)
