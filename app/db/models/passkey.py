from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Expiring, OfUser, Record


class Passkey(Record, Base):
    """A public key of a user, whose private key is in an authenticator (WebAuthn)."""

    __tablename__ = "passkeys"

    user_id: Mapped[OfUser] = mapped_column(index=True)
    user_handle: Mapped[bytes] = mapped_column(LargeBinary(64))  # one for each user
    credential_id: Mapped[bytes] = mapped_column(LargeBinary(1023), unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)  # a COSE key (RFC 9052 §7)
    sign_count: Mapped[int] = mapped_column(BigInteger)  # an unsigned 32-bit number
    backup_eligible: Mapped[bool]
    backed_up: Mapped[bool]
    aaguid: Mapped[UUID]  # the model of the authenticator
    transports: Mapped[str] = mapped_column(String(100))  # separated by spaces
    name: Mapped[str] = mapped_column(String(100))
    last_used_at: Mapped[datetime | None]


class Ceremony(StrEnum):
    """The purpose for which an authenticator signs a challenge."""

    REGISTRATION = "registration"
    LOGIN = "login"
    SECOND_FACTOR = "second_factor"


class PasskeyChallenge(Expiring, Base):
    """A challenge that no authenticator has answered yet. Using it deletes the row."""

    __tablename__ = "passkey_challenges"

    challenge: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    ceremony: Mapped[str] = mapped_column(String(16))
    # Digest of the session or token that asked for the challenge; empty for a login.
    bound_to: Mapped[bytes] = mapped_column(LargeBinary(32))
    user_handle: Mapped[bytes | None] = mapped_column(LargeBinary(64))
