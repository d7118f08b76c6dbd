from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, OfUser


class RecoveryCode(Base):
    """A code that replaces a lost second factor. Using it deletes the row."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[OfUser] = mapped_column(primary_key=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
