"""Logins that wait for a second factor, and their tokens."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Unauthorized
from app.core.tokens.base62 import encode_base62
from app.core.tokens.one_time import digest
from app.db.base import utc_now
from app.db.models.pending_login import PendingLogin
from app.db.models.user import User
from app.db.reads import ReadSession
from app.services.accounts.lookup import LOCK_UNCHANGED
from app.services.accounts.one_time_links import fingerprint

PREFIX = "app_mt_"
LIFETIME = timedelta(minutes=5)
MOST_TRIES = 5

PENDING = PendingLogin.__table__.c
FIND = (
    select(*PENDING, User.password_hash)
    .join(User, PENDING.user_id == User.id)
    .where(
        PENDING.token_hash == bindparam("token_hash"),
        PENDING.expires_at > bindparam("now"),
        PENDING.tries < MOST_TRIES,
        User.is_active,
    )
)


class MfaFailed(Unauthorized):
    """The code is wrong or was used before, or the `mfa_token` is not valid."""

    code = "mfa_failed"
    detail = "The code is wrong, or the mfa_token is not valid. Log in again."
    keeps_changes = True  # the audit event and the try


@dataclass(frozen=True, slots=True)
class PendingLogins:
    """Stores logins that wait for a second factor.

    Each login is bound to a user and to the current password of this user. It keeps the
    methods by which the user has signed in, such as `pwd`.
    """

    session: AsyncSession
    read: ReadSession

    async def begin(
        self, user: Row[Any], methods: Sequence[str], device_id: bytes | None
    ) -> str:
        """Return the `mfa_token` of a new pending login."""
        token = PREFIX + encode_base62(secrets.token_bytes(32))
        self.session.add(
            PendingLogin(
                token_hash=digest(token),
                user_id=user.id,
                amr=" ".join(methods),
                password_fingerprint=fingerprint(user.password_hash),
                device_id=device_id,
                expires_at=utc_now() + LIFETIME,
            )
        )
        return token

    async def find(self, token: str) -> Row[Any]:
        """Look a token up without using it up. Raises `MfaFailed`."""
        values = {"token_hash": digest(token), "now": utc_now()}
        found = await self.read.one_or_none(FIND, values)
        if found is None or found.password_fingerprint != fingerprint(
            found.password_hash
        ):
            raise MfaFailed
        return found

    async def lock(self, pending: Row[Any]) -> Row[Any]:
        """Lock the user, and count a try. Other requests that lock the user must wait.

        Raises:
            MfaFailed: The login has ended meanwhile.
        """
        values = {"id": pending.user_id, "hash": pending.password_hash}
        locked = await self.session.execute(LOCK_UNCHANGED, values)
        user: Row[Any] | None = locked.one_or_none()
        tried = await self.session.scalar(
            update(PendingLogin)
            .where(
                PENDING.token_hash == pending.token_hash,
                PENDING.expires_at > utc_now(),
                PENDING.tries < MOST_TRIES,
            )
            .values(tries=PENDING.tries + 1)
            .returning(PENDING.tries)
        )
        if user is None or not user.is_active or tried is None:
            raise MfaFailed
        return user

    async def end(self, pending: Row[Any]) -> None:
        """Delete a completed login. The caller has locked the row of the user."""
        await self.session.execute(
            delete(PendingLogin).where(PENDING.token_hash == pending.token_hash)
        )
