from datetime import datetime

from sqlalchemy import Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Expiring, OfUser, Record


class ExternalIdentity(Record, Base):
    """A person at a provider, who can sign in to an account here."""

    __tablename__ = "external_identities"

    user_id: Mapped[OfUser]
    provider: Mapped[str] = mapped_column(String(32))
    issuer: Mapped[str] = mapped_column(String(300))
    subject: Mapped[str] = mapped_column(String(255))
    email: Mapped[str | None] = mapped_column(String(254))  # which the provider reports
    last_used_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("provider", "issuer", "subject"),
        Index(None, "user_id", "created_at", "id"),
    )


class ExternalSignIn(Expiring, Base):
    """A sign-in at a provider that has begun. Finishing it deletes the row."""

    __tablename__ = "external_sign_ins"

    # The digest of a secret that only the client has.
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    provider: Mapped[str] = mapped_column(String(32))
    # The account to which the identity will be linked, if its owner is signed in.
    user_id: Mapped[OfUser | None] = mapped_column(index=True)
