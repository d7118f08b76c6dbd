"""Logins: who is calling, and ending what should no longer work."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Unauthorized
from app.core.tokens.access import AccessClaims, AccessTokens, InvalidAccessToken
from app.db.base import utc_now
from app.db.models.auth_session import AuthSession
from app.db.models.user import Role, User
from app.db.session import ReadSession
from app.services.accounts.roles import SCOPES

USER = User.__table__.c
SESSION = AuthSession.__table__.c
UNEXPIRED = (
    SESSION.revoked_at.is_(None),
    SESSION.expires_at > bindparam("now"),
    SESSION.idle_expires_at > bindparam("now"),
)
LIVE = (*UNEXPIRED, USER.is_active)
SELECT_CALLER = (
    select(
        *(column for column in USER if column.name != "password_hash"),
        SESSION.id.label("session_id"),
    )
    .join(AuthSession, SESSION.user_id == USER.id)
    .where(SESSION.id == bindparam("sid"), USER.id == bindparam("sub"), *LIVE)
)


FRESH = timedelta(minutes=10)


class ReauthenticationRequired(Unauthorized):
    """The password must be given again first, to `/auth/reauthenticate`."""

    code = "reauthentication_required"

    def __init__(self) -> None:
        # RFC 9470 §3; the code keeps clients from refreshing instead, in a loop.
        challenge = (
            'Bearer realm="api", error="insufficient_user_authentication", '
            f"max_age={FRESH // timedelta(seconds=1)}"
        )
        super().__init__(
            "Give your password again first.", {"WWW-Authenticate": challenge}
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

    def require_fresh(self) -> None:
        """Raises `ReauthenticationRequired` when the password was given long ago."""
        if self.claims.auth_time < utc_now() - FRESH:
            raise ReauthenticationRequired


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


async def revoke_session(
    session: AsyncSession, session_id: UUID, reason: str, *, user_id: UUID | None = None
) -> bool:
    """End a session in the caller's transaction; False if it was not alive.

    With `user_id`, a session of anybody else's is left alone.
    """
    statement = update(AuthSession).where(
        AuthSession.id == session_id,
        AuthSession.revoked_at.is_(None),
        AuthSession.expires_at > utc_now(),
        AuthSession.idle_expires_at > utc_now(),
    )
    if user_id is not None:
        statement = statement.where(AuthSession.user_id == user_id)
    values = {"revoked_at": utc_now(), "revoked_reason": reason}
    ended = await session.scalar(statement.values(values).returning(AuthSession.id))
    return ended is not None


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
