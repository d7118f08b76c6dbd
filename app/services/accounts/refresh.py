"""Refresh tokens: exchanging one for its successor, and logging out."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.settings.security import SecuritySettings
from app.core.tokens.refresh import (
    ParsedRefreshToken,
    RefreshTokenInvalid,
    RefreshTokens,
)
from app.db.base import utc_now
from app.db.models.auth_session import AuthSession
from app.db.models.user import User
from app.db.reads import ReadSession
from app.schemas.audit import EventName
from app.schemas.auth import TokenPair
from app.services.accounts.principal import LIVE, SESSION
from app.services.accounts.sessions import Client, SessionStarter, revoke_session
from app.services.audit import record
from app.services.mail.outbox import Outbox


class RefreshTokenReused(RefreshTokenInvalid):
    """A spent refresh token was used again. Its session has been ended."""

    keeps_changes = True


SELECT_SESSION = (
    select(*SESSION, User.role)
    .join(User, SESSION.user_id == User.id)
    .where(SESSION.id == bindparam("sid"), *LIVE)
)
# In these events the actor is the user, because a valid refresh token proves who sent
# it. In the other events an attacker may have sent a spent token.
BY_USER = {"auth.refresh.success", "session.revoked"}
FAILURES = {"auth.refresh.ahead", "auth.refresh.reuse"}


@dataclass(slots=True)
class RefreshService:
    """Continues and ends sessions by their refresh tokens."""

    session: AsyncSession
    read: ReadSession
    settings: SecuritySettings
    refresh_tokens: RefreshTokens
    starter: SessionStarter
    outbox: Outbox

    async def refresh(self, token: str, client: Client) -> TokenPair:
        """Exchange a refresh token for its successor.

        If two requests send the same token, a compare-and-swap of the generation lets
        only one of them rotate the token. Within the leeway, the other request gets the
        same successor. After the leeway, or once the successor has been used, a second
        party may hold the token, so the session ends (RFC 9700 §4.14.2).
        """
        presented = self.refresh_tokens.parse(token)
        row = await self._find_session(presented)
        if row is None:
            raise RefreshTokenInvalid
        rotated = await self._rotate(row, presented.generation, client)
        if rotated is None:
            current = await self._replay(presented, client)
            return self.starter.tokens(current, row.role)
        self._record("auth.refresh.success", rotated)
        return self.starter.tokens(rotated, row.role)

    async def logout(self, token: str, reason: str = "logout") -> None:
        """End the session of a refresh token. Accept and ignore an invalid token."""
        try:
            presented = self.refresh_tokens.parse(token)
        except RefreshTokenInvalid:
            return
        row = await self._find_session(presented)
        if row is not None and await revoke_session(self.session, row.id, reason):
            self._record("session.revoked", row, reason=reason)

    async def _find_session(self, presented: ParsedRefreshToken) -> Row[Any] | None:
        """Find the session of a token. None if it has ended or the token is forged."""
        values = {"sid": presented.session_id, "now": utc_now()}
        row = await self.read.one_or_none(SELECT_SESSION, values)
        if row is None or not self.refresh_tokens.authentic(presented, row.salt):
            return None
        return row

    async def _rotate(
        self, row: Row[Any], generation: int, client: Client
    ) -> AuthSession | None:
        # Wait for the connection first, because the leeway begins at `now`.
        await self.session.connection()
        now = utc_now()
        idle_expires_at = min(row.expires_at, now + self.settings.session_idle_lifetime)
        return await self.session.scalar(
            update(AuthSession)
            .where(
                AuthSession.id == row.id,
                AuthSession.generation == generation,
                AuthSession.revoked_at.is_(None),
            )
            .values(
                generation=AuthSession.generation + 1,
                rotated_at=now,
                idle_expires_at=idle_expires_at,
                last_ip=client.address,
            )
            .returning(AuthSession)
        )

    async def _replay(
        self, presented: ParsedRefreshToken, client: Client
    ) -> AuthSession:
        """Decide whether a token that is not the newest is a retry or was stolen."""
        current = await self.session.get(
            AuthSession, presented.session_id, with_for_update=True
        )
        if current is None or current.revoked_at is not None:
            raise RefreshTokenInvalid
        leeway = timedelta(seconds=self.settings.refresh_leeway_seconds)
        # A request that arrived within the leeway is a retry, however late it is
        # handled.
        in_time = client.arrived_at <= current.rotated_at + leeway
        if presented.generation == current.generation - 1 and in_time:
            self._record("auth.refresh.replayed_in_leeway", current)
            return current
        # A token can be newer than the session if an older backup was restored.
        ahead = presented.generation > current.generation
        event: EventName = "auth.refresh.ahead" if ahead else "auth.refresh.reuse"
        self._record(event, current, generation=presented.generation)
        await revoke_session(self.session, current.id, event.rpartition(".")[2])
        owner = await self.session.get_one(User, current.user_id)
        await self.outbox.add("session_ended", owner.email)
        raise RefreshTokenReused

    def _record(
        self, event: EventName, session: AuthSession | Row[Any], **detail: str | int
    ) -> None:
        user_id: UUID = session.user_id
        record(
            self.session,
            event,
            user_id,
            actor=user_id if event in BY_USER else None,
            session_id=session.id,
            outcome="failure" if event in FAILURES else "success",
            **detail,
        )
