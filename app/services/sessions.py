"""Logins: who is calling, and ending what should no longer work."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.access_tokens import AccessClaims, AccessTokens, InvalidAccessToken
from app.db.base import utc_now
from app.db.models import AuthSession, Role, User
from app.db.session import ReadSession
from app.services.roles import SCOPES

USER = User.__table__.c
SESSION = AuthSession.__table__.c
LIVE = (
    SESSION.revoked_at.is_(None),
    SESSION.expires_at > bindparam("now"),
    SESSION.idle_expires_at > bindparam("now"),
    USER.is_active,
)
SELECT_CALLER = (
    select(
        *(column for column in USER if column.name != "password_hash"),
        SESSION.id.label("session_id"),
    )
    .join(AuthSession, SESSION.user_id == USER.id)
    .where(SESSION.id == bindparam("sid"), USER.id == bindparam("sub"), *LIVE)
)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes the request: the user as of now, not as of the token."""

    user: Row[Any]
    claims: AccessClaims

    @property
    def scopes(self) -> frozenset[str]:
        """What the role allows, unless the token was made for less."""
        return SCOPES[self.role].intersection(self.claims.scope.split())

    @property
    def user_id(self) -> UUID:
        return self.user.id  # type: ignore[no-any-return]

    @property
    def session_id(self) -> UUID:
        return self.user.session_id  # type: ignore[no-any-return]

    @property
    def role(self) -> Role:
        return self.user.role  # type: ignore[no-any-return]


class Authenticator:
    """Turns an access token into the user it stands for, if the session is alive."""

    def __init__(self, read: ReadSession, tokens: AccessTokens) -> None:
        self.read = read
        self.tokens = tokens

    async def authenticate(self, token: str) -> Principal:
        """Raises `InvalidAccessToken`, for every reason alike."""
        claims = self.tokens.verify(token)
        values = {"sid": claims.sid, "sub": claims.sub, "now": utc_now()}
        user = await self.read.one_or_none(SELECT_CALLER, values)
        if user is None:
            raise InvalidAccessToken
        return Principal(user, claims)


async def revoke_sessions(
    session: AsyncSession, user_id: UUID, reason: str, *, keep: UUID | None = None
) -> None:
    """End all logins of a user in the caller's transaction; `keep` spares one."""
    statement = update(AuthSession).where(
        AuthSession.user_id == user_id, AuthSession.revoked_at.is_(None)
    )
    if keep is not None:
        statement = statement.where(AuthSession.id != keep)
    await session.execute(statement.values(revoked_at=utc_now(), revoked_reason=reason))
