from datetime import datetime

from sqlalchemy import Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Credential


class ApiKey(Credential):
    """A key with which a program acts for its user. Spaces separate items of lists."""

    __tablename__ = "api_keys"

    name: Mapped[str] = mapped_column(String(200))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    hint: Mapped[str] = mapped_column(String(20))  # the beginning and the end
    scope: Mapped[str] = mapped_column(String(500))
    allowed_networks: Mapped[str] = mapped_column(String(1000))  # empty: all
    # Networks from which the key was used, a /24 of IPv4 or a /48 of IPv6. The last use
    # came from the last network.
    seen_networks: Mapped[str] = mapped_column(String(500), default="")
    last_used_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "ix_api_keys_live_user_id_created_at_id",
            "user_id",
            "created_at",
            "id",
            postgresql_where=text("revoked_at IS NULL"),
            sqlite_where=text("revoked_at IS NULL"),
        ),
    )
