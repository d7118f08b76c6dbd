"""The second factor that users with a role of `MFA_REQUIRED_ROLES` need."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import utc_now
from app.db.models.user import User
from app.services.audit import record
from app.services.mail.outbox import Outbox

if TYPE_CHECKING:
    from app.services.accounts.principal import Principal


@dataclass(frozen=True, slots=True)
class RequiredFactor:
    """Decides whether a caller needs a second factor, and until when.

    It reads only the row of the session, so that a request needs no other query. The
    grace is the time that a user has to add a factor. It begins with the first request
    of a user who lacks the factor. If an administrator later resets the factors, the
    user gets no second grace.
    """

    roles: Container[str]
    grace: timedelta

    def is_missing(self, caller: "Principal") -> bool:
        return caller.role in self.roles and not caller.has_factor

    def begins(self, caller: "Principal") -> bool:
        """Whether this request is the one that begins the grace."""
        return self.is_missing(caller) and caller.user.mfa_asked_at is None

    def is_overdue(self, caller: "Principal") -> bool:
        """Whether the factor is missing, and the grace has ended."""
        if not self.is_missing(caller):
            return False
        now = utc_now()
        began: datetime = caller.user.mfa_asked_at or now
        return began + self.grace <= now

    async def begin_grace(self, session: AsyncSession, user: Row[Any]) -> None:
        """Begin the grace, and tell the owner when it ends."""
        now = utc_now()
        begun = await session.scalar(
            update(User)
            .where(User.id == user.id, User.mfa_asked_at.is_(None))
            # Keep `updated_at`, because nothing has changed that clients can see.
            .values(mfa_asked_at=now, updated_at=User.updated_at)
            .returning(User.id)
        )
        if begun is None:
            return  # another request has begun the grace
        record(session, "account.mfa.asked", user.id, role=user.role)
        until = f"{now + self.grace:%Y-%m-%d %H:%M} UTC"
        await Outbox(session).add("mfa_asked", user.email, until=until)
