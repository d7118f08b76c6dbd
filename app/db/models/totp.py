from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, LargeBinary, and_
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, OfUser, utc_now

TIME_TO_ACTIVATE = timedelta(hours=1)


class Totp(Base):
    """A secret that the service shares with an authenticator app.

    A user has at most one active secret, and at most one new secret that waits for its
    first code. The active secret works until the new one has proved to work.
    """

    __tablename__ = "totp_secrets"

    user_id: Mapped[OfUser] = mapped_column(primary_key=True)
    is_active: Mapped[bool] = mapped_column(primary_key=True)
    secret: Mapped[bytes] = mapped_column(LargeBinary(64))  # encrypted
    last_step: Mapped[int] = mapped_column(default=0)  # of the newest accepted code
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    @classmethod
    def useless(cls, now: datetime) -> ColumnElement[bool]:
        return and_(~cls.is_active, cls.created_at < now - TIME_TO_ACTIVATE)
