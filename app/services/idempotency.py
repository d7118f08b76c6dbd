"""Lets clients repeat a request safely: the service does the work once.

See draft-ietf-httpapi-idempotency-key-header.
"""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Conflict
from app.core.tokens.access import InvalidAccessToken
from app.db.base import utc_now
from app.db.models.idempotency_key import IdempotencyKey

KEPT = timedelta(hours=24)
LARGEST = 64 * 1024

TABLE = IdempotencyKey.__table__
MINE = (TABLE.c.user_id == bindparam("user_id"), TABLE.c.key == bindparam("key"))
SELECT_KEY = select(*TABLE.c).where(*MINE)
DELETE_KEY = delete(IdempotencyKey).where(*MINE)


class IdempotencyKeyInUse(Conflict):
    """Another request with this `Idempotency-Key` is still running."""

    code = "idempotency_key_in_use"
    detail = "A request with this Idempotency-Key is still running. Try again in 1 s."
    headers = MappingProxyType({"Retry-After": "1"})


class AlreadyAnswered(Exception):
    """The key has a stored answer. The caller must roll the transaction back."""

    def __init__(self, answer: Row[Any]) -> None:
        super().__init__()
        self.answer = answer


@dataclass(frozen=True, slots=True)
class OnceOnly:
    """Claims the key of a user, and stores the answer in the same transaction."""

    session: AsyncSession
    user_id: UUID
    key: str

    async def claim(self) -> None:
        """Claim the key until the transaction ends. Call this before other statements.

        Raises:
            AlreadyAnswered: A request with this key was handled before.
            IdempotencyKeyInUse: A request with this key is running. SQLite has only one
                writer: there, this request waits instead and then finds the answer.
        """
        connection = await self.session.connection()
        if connection.dialect.name == "postgresql":
            # This lock fails instead of waiting. Otherwise each retry of a slow request
            # would wait and hold a connection.
            lock = func.pg_try_advisory_xact_lock(self._lock_number())
            if not await connection.scalar(select(lock)):
                raise IdempotencyKeyInUse
        values = {"user_id": self.user_id, "key": self.key}
        found = (await connection.execute(SELECT_KEY, values)).one_or_none()
        if found is None:
            return
        if found.expires_at > utc_now():
            raise AlreadyAnswered(found)
        await connection.execute(DELETE_KEY, values)

    async def keep(
        self, fingerprint: bytes, status: int, headers: dict[str, str], body: bytes
    ) -> None:
        """Store the answer in the transaction of the work, unless it is too large.

        Raises:
            InvalidAccessToken: The user has been deleted in the meantime.
        """
        if len(body) > LARGEST:
            return
        now = utc_now()
        values = {
            "user_id": self.user_id,
            "key": self.key,
            "fingerprint": fingerprint,
            "status": status,
            "headers": headers,
            "body": body,
            "created_at": now,
            "expires_at": now + KEPT,
        }
        try:
            await self.session.execute(insert(IdempotencyKey).values(values))
        except IntegrityError as error:
            # The idempotency key is claimed, so the row of the user must be missing.
            raise InvalidAccessToken from error

    def _lock_number(self) -> int:
        digest = blake2b(self.user_id.bytes + self.key.encode(), digest_size=8)
        return int.from_bytes(digest.digest(), signed=True)
