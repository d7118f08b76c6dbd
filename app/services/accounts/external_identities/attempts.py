"""Sign-ins that have begun.

Only the browser that began a sign-in can finish it, and only once.
"""

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import BadRequest
from app.core.tokens.one_time import digest, generate
from app.db.base import utc_now
from app.db.models.external_identity import ExternalSignIn
from app.db.session import Database, transaction
from app.schemas.external_identity import ExternalSignInFinish

LIFETIME = timedelta(minutes=10)


class SignInExpired(BadRequest):
    """The sign-in is unknown, expired, used already, or belongs to another browser."""

    code = "sign_in_expired"
    detail = "This sign-in is not valid any more. Start again."


@dataclass(frozen=True, slots=True)
class Attempt:
    """The values that one sign-in sends to the provider.

    They are derived from `transaction`, a secret of 256 bits that only the client
    stores. The table contains only the digest of this secret, so a thief of the table
    cannot finish a sign-in.
    """

    transaction: str

    @property
    def state(self) -> str:
        return self._derive("state")

    @property
    def nonce(self) -> str:
        return self._derive("nonce")

    @property
    def verifier(self) -> str:
        """The secret of PKCE (RFC 7636 §4.1), sent only to the provider."""
        return self._derive("verifier")

    @property
    def challenge(self) -> str:
        return _base64(sha256(self.verifier.encode()).digest())

    def _derive(self, part: str) -> str:
        key = self.transaction.encode("utf-8", "surrogatepass")
        return _base64(hmac.digest(key, part.encode(), "sha256"))


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def begin(session: AsyncSession, provider: str, user_id: UUID | None) -> Attempt:
    attempt = Attempt(generate())
    session.add(
        ExternalSignIn(
            token_hash=digest(attempt.transaction),
            provider=provider,
            user_id=user_id,
            expires_at=utc_now() + LIFETIME,
        )
    )
    return attempt


async def redeem(
    database: Database, data: ExternalSignInFinish, provider: str, user_id: UUID | None
) -> Attempt:
    """Use up a sign-in, in a transaction of its own.

    Ask the provider only after this call, because a database connection must not wait
    for the provider.

    Raises:
        SignInExpired: The client did not begin a sign-in with this provider and for
            this account, or the sign-in was used before or has expired.
    """
    attempt = Attempt(data.transaction)
    state = data.state.encode("utf-8", "surrogatepass")
    if not hmac.compare_digest(attempt.state.encode(), state):
        raise SignInExpired
    mine = ExternalSignIn.user_id
    used = (
        delete(ExternalSignIn)
        .where(
            ExternalSignIn.token_hash == digest(attempt.transaction),
            ExternalSignIn.provider == provider,
            mine.is_(None) if user_id is None else mine == user_id,
            ExternalSignIn.expires_at > utc_now(),
        )
        .returning(ExternalSignIn.token_hash)
    )
    async with transaction(database) as session:
        found = await session.scalar(used)
    if found is None:
        raise SignInExpired
    return attempt
