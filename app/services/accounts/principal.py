"""The caller of a request: the user, and the session or other credential in use."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Forbidden, Unauthorized
from app.core.tokens.access import AccessTokens, InvalidAccessToken
from app.db.base import utc_now
from app.db.models.auth_session import AuthSession
from app.db.models.user import Role, User
from app.db.reads import ReadSession
from app.db.together import Keyed
from app.services.accounts.assurance import AAL2
from app.services.accounts.required_factor import RequiredFactor
from app.services.accounts.roles import SCOPES

USER = User.__table__.c
SESSION = AuthSession.__table__.c
UNEXPIRED = (
    SESSION.revoked_at.is_(None),
    SESSION.expires_at > bindparam("now"),
    SESSION.idle_expires_at > bindparam("now"),
)
LIVE = (*UNEXPIRED, USER.is_active)  # for statements that join the user
CALLER = tuple(column for column in USER if column.name != "password_hash")
CALLERS_BY_SESSION = Keyed(
    select(
        *CALLER,
        SESSION.id.label("session_id"),
        SESSION.scope,
        SESSION.auth_time,
        SESSION.amr,
        SESSION.acr,
        SESSION.second_factor_at,
    )
    .join(AuthSession, SESSION.user_id == USER.id)
    .where(*LIVE),
    key=SESSION.id,
    name="session_id",
)
LOCK_CALLER = (
    select(User)
    .join(AuthSession, SESSION.user_id == USER.id)
    .where(SESSION.id == bindparam("session"), *LIVE)
    .with_for_update()
    .execution_options(populate_existing=True)
)

FRESH = timedelta(minutes=10)
# RFC 9470 §3. This `error` tells clients that a refresh does not help, so that they do
# not refresh in a loop.
CHALLENGE = (
    'Bearer realm="api", error="insufficient_user_authentication", '
    f"max_age={FRESH // timedelta(seconds=1)}"
)


class ReauthenticationRequired(Unauthorized):
    """The caller must first give the password or a factor again.

    Send it to `/auth/reauthenticate`.
    """

    code = "reauthentication_required"
    detail = "Give your password or a second factor first, at /auth/reauthenticate."
    headers = MappingProxyType({"WWW-Authenticate": CHALLENGE})


class StepUpRequired(Unauthorized):
    """The caller must give a second factor first, at `/auth/reauthenticate`."""

    code = "step_up_required"
    detail = "Give your second factor first, at /auth/reauthenticate."
    headers = MappingProxyType({"WWW-Authenticate": f'{CHALLENGE}, acr_values="aal2"'})


class SessionRequired(Forbidden):
    """The caller needs the access token of a login. An API key is not enough."""

    code = "session_required"
    detail = "Log in to do this: only the access token of a login allows it."


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of a request, with the rights that the user has now.

    These can differ from the rights at the login. `credential` is the kind of
    credential that the caller used, such as "session". The row `user` also contains the
    id of this credential, for example as `session_id`.
    """

    user: Row[Any]
    credential: str = "session"
    factor_is_overdue: bool = False  # see `RequiredFactor`

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes that both the role and the credential have.

        The scopes in an access token are not used here, because they are as old as the
        token. Only other services read them. A caller whose second factor is overdue
        has only the scopes of the role `user`, which are enough to add a factor.
        """
        scopes = SCOPES[self.role].intersection(self.user.scope.split())
        return scopes & SCOPES[Role.USER] if self.factor_is_overdue else scopes

    @property
    def user_id(self) -> UUID:
        return self.user.id  # type: ignore[no-any-return]

    @property
    def credential_id(self) -> UUID:
        return getattr(self.user, f"{self.credential}_id")  # type: ignore[no-any-return]

    @property
    def session_id(self) -> UUID:
        """The id of the session. Raises `SessionRequired` for another credential."""
        if self.credential != "session":
            raise SessionRequired
        return self.credential_id

    @property
    def role(self) -> Role:
        return self.user.role  # type: ignore[no-any-return]

    @property
    def has_factor(self) -> bool:
        """Whether the user has given a second factor in this session.

        For another credential, such as an API key: whether its user has a factor.
        """
        if self.credential == "session":
            return bool(self.user.acr == AAL2)
        return bool(self.user.second_factors)

    def require_fresh(self) -> None:
        """Raises `ReauthenticationRequired` if the session is older than `FRESH`.

        A reauthentication starts a new session.

        Raises `SessionRequired` for a credential other than a session.
        """
        if self.credential != "session":
            raise SessionRequired
        if self.user.auth_time < utc_now() - FRESH:
            raise ReauthenticationRequired

    def require_fresh_factor(self) -> None:
        """Like `require_fresh`. A user who has a second factor must also have given it.

        Raises:
            StepUpRequired: The user has not given the factor within the time `FRESH`.
        """
        self.require_fresh()
        if self.user.second_factors:
            given = self.user.second_factor_at
            if given is None or given < utc_now() - FRESH:
                raise StepUpRequired


async def lock_caller(session: AsyncSession, caller: Principal) -> User:
    """Lock and return the user, for a change that only a live session allows.

    Another request can have ended the session since this request read it. Both requests
    lock the same row, so this request sees the change.

    Raises:
        InvalidAccessToken: The session has ended.
    """
    values = {"session": caller.session_id, "now": utc_now()}
    user: User | None = await session.scalar(LOCK_CALLER, values)
    if user is None:
        raise InvalidAccessToken
    return user


FindCaller = Callable[[str], Awaitable[Principal]]


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Finds the caller by the bearer token of a request."""

    read: ReadSession
    tokens: AccessTokens
    others: Mapping[str, FindCaller]  # by the prefix of other tokens, such as API keys
    required: RequiredFactor

    async def authenticate(self, token: str) -> Principal:
        """Return the caller. Raises `InvalidAccessToken` if the token is refused."""
        caller = await self._find(token)
        overdue = self.required.is_overdue(caller)
        return replace(caller, factor_is_overdue=True) if overdue else caller

    async def _find(self, token: str) -> Principal:
        for prefix, find in self.others.items():
            if token.startswith(prefix):
                return await find(token)
        claims = self.tokens.verify(token)
        user = await self.read.by_key(CALLERS_BY_SESSION, claims.sid)
        if user is None or user.id != claims.sub:
            raise InvalidAccessToken
        return Principal(user)
