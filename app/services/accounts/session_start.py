"""Starting sessions, and the tokens that they are used with."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import SecuritySettings
from app.core.tokens.access import AccessTokens
from app.core.tokens.refresh import RefreshTokens
from app.db.base import utc_now
from app.db.models.auth_session import AuthSession
from app.db.models.user import User
from app.schemas.auth import TokenPair
from app.services.accounts.principal import SESSION, UNEXPIRED
from app.services.accounts.roles import EVERY_SCOPE
from app.services.audit import record

MAX_SESSIONS = 20

# Built once, and past the mapper: every login pays for it.
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


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from, as far as a session remembers it."""

    address: str
    user_agent: str | None
    arrived_at: datetime


@dataclass(slots=True)
class SessionStarter:
    """Makes sessions, at most `MAX_SESSIONS` alive a user, and their tokens."""

    session: AsyncSession
    settings: SecuritySettings
    access_tokens: AccessTokens
    refresh_tokens: RefreshTokens

    def admits(self, user: User | Row[Any]) -> bool:
        """Whether a right password is enough to log in."""
        unproved = self.settings.registration == "verified" and not user.email_verified
        return bool(user.is_active) and not unproved

    async def start(self, user_id: UUID, client: Client) -> AuthSession:
        """Start a session of a user whose row the caller has locked."""
        now = utc_now()
        await self._make_room(user_id, now)
        expires_at = now + timedelta(days=self.settings.session_max_age_days)
        started = AuthSession(
            user_id=user_id,
            salt=secrets.token_bytes(32),
            generation=0,
            scope=EVERY_SCOPE,
            amr="pwd",
            acr="aal1",
            auth_time=now,
            user_agent=client.user_agent,
            ip=client.address,
            last_ip=client.address,
            rotated_at=now,
            idle_expires_at=min(expires_at, now + self.settings.session_idle_lifetime),
            expires_at=expires_at,
        )
        self.session.add(started)
        await self.session.flush()
        return started

    def tokens(self, session: AuthSession) -> TokenPair:
        access_token = self.access_tokens.issue(
            user_id=session.user_id,
            session_id=session.id,
            scope=session.scope,
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

    async def _make_room(self, user_id: UUID, now: datetime) -> None:
        """End the sessions least recently used, so that one more is not too many."""
        evicted = await self.session.scalars(EVICT, {"owner": user_id, "now": now})
        for session_id in evicted:
            record(
                self.session,
                "session.revoked",
                user_id,
                session_id=session_id,
                reason="evicted",
            )
