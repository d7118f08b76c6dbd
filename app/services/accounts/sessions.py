"""Starting, listing and ending sessions."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.core.settings.security import SecuritySettings
from app.core.tokens.access import AccessTokens
from app.core.tokens.cursor import CursorSigner
from app.core.tokens.refresh import RefreshTokens
from app.db.base import utc_now
from app.db.models.auth_session import AuthSession
from app.db.models.pending_login import PendingLogin
from app.db.models.user import Role
from app.db.reads import ReadSession
from app.db.session import execute
from app.schemas.audit import EventName
from app.schemas.auth import TokenPair
from app.schemas.page import PageParameters
from app.services.accounts.assurance import AAL2, assurance
from app.services.accounts.principal import SESSION, UNEXPIRED, Principal
from app.services.accounts.roles import EVERY_SCOPE, SCOPES
from app.services.audit import describe, record, record_now
from app.services.listing import Listing, Order, RowPage

MAX_SESSIONS = 20
NO_SESSION = UUID(int=0)

# These statements are built once and without the ORM, because every login runs them.
SURPLUS = (
    select(SESSION.id)
    .where(SESSION.user_id == bindparam("owner"), *UNEXPIRED)
    .order_by(SESSION.rotated_at.desc(), SESSION.id.desc())
    .offset(MAX_SESSIONS - 1)
)
EVICT = (
    update(AuthSession.__table__)  # type: ignore[arg-type]
    .where(SESSION.id.in_(SURPLUS), SESSION.revoked_at.is_(None))
    .values(revoked_at=bindparam("now"), revoked_reason="evicted")
    .returning(SESSION.id)
)
START = insert(AuthSession.__table__).returning(*SESSION)  # type: ignore[arg-type]
SESSIONS_OF_USER = Listing(
    select(
        SESSION.id,
        SESSION.last_ip.label("ip"),
        SESSION.user_agent,
        SESSION.created_at,
        SESSION.rotated_at.label("last_seen_at"),
        SESSION.expires_at,
        (SESSION.id == bindparam("current")).label("current"),
    ).where(SESSION.user_id == bindparam("user"), *UNEXPIRED),
    Order(SESSION.created_at, SESSION.id, descending=True),
    name="sessions of {user}",
)


class SessionNotFound(NotFound):
    """The caller has no session with this id."""

    code = "session_not_found"
    detail = "You have no session with this id."


@dataclass(frozen=True, slots=True)
class Client:
    """The client that sent a request, and the time when the request arrived."""

    address: str
    user_agent: str | None
    arrived_at: datetime


@dataclass(slots=True)
class SessionStarter:
    """Starts sessions, at most `MAX_SESSIONS` for a user, and issues their tokens."""

    session: AsyncSession
    settings: SecuritySettings
    access_tokens: AccessTokens
    refresh_tokens: RefreshTokens

    async def start(
        self,
        user_id: UUID,
        client: Client,
        event: EventName | None = None,
        *,
        methods: Sequence[str] = ("pwd",),
        replaced: Principal | None = None,
        **detail: Any,
    ) -> Row[Any]:
        """Start a session, and record the event.

        `methods` are values of RFC 8176 for what the user has proved. If the session
        replaces another session, it also has the methods of that session.

        Before this call, lock the user's row in a separate statement. A single
        statement that waits for the lock would not see a session that another request
        started meanwhile.
        """
        now = utc_now()
        # The least recently used sessions end, so that there is room for one more
        # session.
        evicted = await execute(self.session, EVICT, {"owner": user_id, "now": now})
        events = [
            describe("session.revoked", user_id, session_id=ended.id, reason="evicted")
            for ended in evicted
        ]
        expires_at = now + timedelta(days=self.settings.session_max_age_days)
        second_factor_at = now if assurance(methods) == AAL2 else None
        if replaced is not None:
            methods = [*dict.fromkeys((*replaced.user.amr.split(), *methods))]
            second_factor_at = second_factor_at or replaced.user.second_factor_at
        values = {
            "user_id": user_id,
            "salt": secrets.token_bytes(32),
            "scope": EVERY_SCOPE,
            "amr": " ".join(methods),
            "acr": assurance(methods),
            "auth_time": now,
            "second_factor_at": second_factor_at,
            "user_agent": client.user_agent,
            "ip": client.address,
            "last_ip": client.address,
            "rotated_at": now,
            "idle_expires_at": min(
                expires_at, now + self.settings.session_idle_lifetime
            ),
            "expires_at": expires_at,
        }
        started: Row[Any]
        [started] = await execute(self.session, START, values)
        if event is not None:
            events.append(
                describe(event, user_id, actor=user_id, session_id=started.id, **detail)
            )
        await record_now(self.session, *events)
        return started

    def tokens(self, session: AuthSession | Row[Any], role: Role) -> TokenPair:
        scopes = SCOPES[role].intersection(session.scope.split())
        access_token = self.access_tokens.issue(
            user_id=session.user_id,
            session_id=session.id,
            scope=" ".join(sorted(scopes)),
            auth_time=session.auth_time,
            amr=session.amr.split(),
            acr=session.acr,
        )
        refresh_token = self.refresh_tokens.issue(
            session.id, session.generation, session.salt
        )
        return TokenPair(
            access_token=access_token,
            refresh_token=refresh_token,
            expires_in=int(self.settings.access_token_lifetime.total_seconds()),
        )


@dataclass(slots=True)
class SessionService:
    session: AsyncSession
    read: ReadSession
    cursors: CursorSigner

    async def page(
        self, user_id: UUID, query: PageParameters, current: UUID = NO_SESSION
    ) -> RowPage:
        """Read the live sessions of a user. `current` is the session of the caller."""
        return await SESSIONS_OF_USER.page(
            self.read,
            self.cursors,
            query,
            user=user_id,
            current=current,
            now=utc_now(),
        )

    async def end(self, caller: Principal, session_id: UUID) -> None:
        ended = await revoke_session(
            self.session, session_id, "logout", user_id=caller.user_id
        )
        if not ended:
            raise SessionNotFound
        record(
            self.session,
            "session.revoked",
            caller.user_id,
            session_id=session_id,
            reason="logout",
        )

    async def end_all(self, caller: Principal, *, keep_current: bool) -> None:
        keep = caller.session_id if keep_current else None
        await revoke_sessions(self.session, caller.user_id, "logout_all", keep=keep)
        record(
            self.session,
            "session.all_revoked",
            caller.user_id,
            kept_current=keep_current,
        )


async def revoke_session(
    session: AsyncSession, session_id: UUID, reason: str, *, user_id: UUID | None = None
) -> bool:
    """End a session in the caller's transaction. Return False if it was not alive.

    With `user_id`, only a session of that user is ended.
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
    """End every session of a user, except `keep`, in the caller's transaction.

    Also end the logins that wait for a second factor.
    """
    await session.execute(delete(PendingLogin).where(PendingLogin.user_id == user_id))
    statement = update(AuthSession).where(
        AuthSession.user_id == user_id, AuthSession.revoked_at.is_(None)
    )
    if keep is not None:
        statement = statement.where(AuthSession.id != keep)
    await session.execute(statement.values(revoked_at=utc_now(), revoked_reason=reason))
