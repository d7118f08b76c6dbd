"""Logging in, staying logged in by rotating refresh tokens, and logging out."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.access_tokens import AccessTokens
from app.core.config import SecuritySettings
from app.core.email_address import parse_email
from app.core.errors import Unauthorized
from app.core.passwords import PasswordHasher
from app.core.refresh_tokens import (
    ParsedRefreshToken,
    RefreshTokenInvalid,
    RefreshTokens,
)
from app.db.base import utc_now
from app.db.models import AuthSession, User
from app.db.session import ReadSession
from app.schemas.auth import Credentials, TokenPair
from app.services.mail.outbox import Outbox
from app.services.roles import EVERY_SCOPE
from app.services.sessions import LIVE, SESSION, USER, revoke_sessions


class InvalidCredentials(Unauthorized):
    """The e-mail address or the password is wrong."""

    code = "invalid_credentials"

    def __init__(self) -> None:
        super().__init__("The e-mail address or the password is wrong.")


class RefreshTokenReused(RefreshTokenInvalid):
    """A spent refresh token came back: its session was ended."""

    keeps_changes = True


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from, as far as a session remembers it."""

    address: str
    user_agent: str | None
    arrived_at: datetime


SELECT_LOGIN = select(USER.id, USER.password_hash, USER.is_active).where(
    USER.email_canonical == bindparam("email")
)
SELECT_SESSION = (
    select(*SESSION)
    .join(User, SESSION.user_id == USER.id)
    .where(SESSION.id == bindparam("sid"), *LIVE)
)


class AuthService:
    """Sessions from the first password to the last refresh token.

    `session` is not used before a password has been verified: hashing takes long,
    and nobody should wait for a connection that waits for a hash.
    """

    def __init__(
        self,
        session: AsyncSession,
        read: ReadSession,
        settings: SecuritySettings,
        hasher: PasswordHasher,
        access_tokens: AccessTokens,
        refresh_tokens: RefreshTokens,
        outbox: Outbox,
    ) -> None:
        self.session = session
        self.read = read
        self.settings = settings
        self.hasher = hasher
        self.access_tokens = access_tokens
        self.refresh_tokens = refresh_tokens
        self.outbox = outbox

    async def login(self, credentials: Credentials, client: Client) -> TokenPair:
        user = await self._find_login(credentials.email)
        password_hash = user.password_hash if user else None
        verified = await self.hasher.verify(credentials.password, password_hash)
        if user is None or not verified.ok:
            raise InvalidCredentials
        return self._tokens(
            await self._start_session(user, client, verified.upgraded_hash)
        )

    async def start(self, user: User, client: Client) -> TokenPair:
        """Log in somebody whose password has just been verified or chosen."""
        return self._tokens(await self._start_session(user, client, None))

    async def refresh(self, token: str, client: Client) -> TokenPair:
        """Exchange a refresh token for its successor.

        One compare-and-swap of the generation decides who rotates. Whoever comes
        second gets the same successor within the leeway; after it, or when the
        successor has been used, two parties hold the token and the session ends
        (RFC 9700 §4.14.2).
        """
        presented = self.refresh_tokens.parse(token)
        row = await self._find_session(presented.session_id)
        if row is None or not self.refresh_tokens.authentic(presented, row.salt):
            raise RefreshTokenInvalid
        now = utc_now()
        rotated = await self.session.scalar(
            update(AuthSession)
            .where(
                AuthSession.id == row.id,
                AuthSession.generation == presented.generation,
                AuthSession.revoked_at.is_(None),
            )
            .values(
                generation=AuthSession.generation + 1,
                rotated_at=now,
                idle_expires_at=min(row.expires_at, now + self._idle_lifetime),
                last_ip=client.address,
            )
            .returning(AuthSession)
        )
        return self._tokens(rotated or await self._replay(presented, client))

    async def logout(self, token: str) -> None:
        """End the session of a refresh token; any other token ends nothing."""
        try:
            presented = self.refresh_tokens.parse(token)
        except RefreshTokenInvalid:
            return
        row = await self._find_session(presented.session_id)
        if row is not None and self.refresh_tokens.authentic(presented, row.salt):
            await self._revoke(row.id, "logout")

    async def logout_all(self, user_id: UUID) -> None:
        await revoke_sessions(self.session, user_id, "logout_all")

    async def _find_login(self, email: str) -> Row[Any] | None:
        try:
            canonical = parse_email(email).canonical
        except ValueError:
            return None
        return await self.read.one_or_none(SELECT_LOGIN, {"email": canonical})

    async def _start_session(
        self, user: Row[Any] | User, client: Client, upgraded_hash: str | None
    ) -> AuthSession:
        # The password may have changed, or the account gone, while it was verified.
        current = await self.session.scalar(
            select(User)
            .where(User.id == user.id, User.password_hash == user.password_hash)
            .with_for_update()
        )
        if current is None or not self._may_log_in(current):
            raise InvalidCredentials
        if upgraded_hash is not None:
            current.password_hash = upgraded_hash
        now = utc_now()
        expires_at = now + timedelta(days=self.settings.session_max_age_days)
        started = AuthSession(
            user_id=user.id,
            salt=secrets.token_bytes(32),
            generation=0,
            scope=EVERY_SCOPE,
            amr="pwd",
            acr="aal1",
            auth_time=now,
            user_agent=client.user_agent and client.user_agent[:256],
            ip=client.address,
            last_ip=client.address,
            rotated_at=now,
            idle_expires_at=min(expires_at, now + self._idle_lifetime),
            expires_at=expires_at,
        )
        self.session.add(started)
        await self.session.flush()
        return started

    def _may_log_in(self, user: User) -> bool:
        unproved = self.settings.registration == "verified" and not user.email_verified
        return user.is_active and not unproved

    async def _find_session(self, session_id: UUID) -> Row[Any] | None:
        values = {"sid": session_id, "now": utc_now()}
        return await self.read.one_or_none(SELECT_SESSION, values)

    async def _replay(
        self, presented: ParsedRefreshToken, client: Client
    ) -> AuthSession:
        """The token is not the newest: a retry, or a thief."""
        current = await self.session.get(
            AuthSession, presented.session_id, with_for_update=True
        )
        if current is None or current.revoked_at is not None:
            raise RefreshTokenInvalid
        leeway = timedelta(seconds=self.settings.refresh_leeway_seconds)
        # A request that was already under way when the token was spent is no replay.
        in_time = client.arrived_at <= current.rotated_at + leeway
        if presented.generation == current.generation - 1 and in_time:
            return current
        ahead = presented.generation > current.generation  # an older backup restored
        await self._revoke(current.id, "ahead" if ahead else "reuse")
        owner = await self.session.get_one(User, current.user_id)
        await self.outbox.add("session_ended", owner.email)
        raise RefreshTokenReused

    async def _revoke(self, session_id: UUID, reason: str) -> None:
        await self.session.execute(
            update(AuthSession)
            .where(AuthSession.id == session_id, AuthSession.revoked_at.is_(None))
            .values(revoked_at=utc_now(), revoked_reason=reason)
        )

    def _tokens(self, session: AuthSession) -> TokenPair:
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
            expires_in=self.settings.access_token_expire_minutes * 60,
        )

    @property
    def _idle_lifetime(self) -> timedelta:
        return timedelta(days=self.settings.refresh_token_expire_days)
