"""Requests that a client may repeat: one effect, and one answer for all of them.

draft-ietf-httpapi-idempotency-key-header
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, event, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Conflict
from app.core.tokens.access import InvalidAccessToken
from app.db.base import utc_now
from app.db.models.idempotency_key import IdempotencyKey

KEPT = timedelta(hours=24)
LARGEST = 64 * 1024


class IdempotencyKeyInUse(Conflict):
    """A request with this `Idempotency-Key` is being handled; retry shortly."""

    code = "idempotency_key_in_use"

    def __init__(self) -> None:
        super().__init__(
            "A request with this Idempotency-Key is being handled.",
            {"Retry-After": "1"},
        )


class AlreadyAnswered(Exception):
    """The key has an answer; whatever was begun since is to be rolled back."""

    def __init__(self, answer: Row[Any]) -> None:
        super().__init__()
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class OnceOnly:
    """Claims a user's key in the transaction whose effects it guards.

    The claim is the first thing each transaction of the session does, when it has
    its connection: what comes before, such as hashing a password, holds none.

    Raises, from the session's first statement:
        AlreadyAnswered: a request with this key was handled before.
        IdempotencyKeyInUse: one is being handled. On SQLite a transaction waits
            for the one before it instead, and then finds the answer.
    """

    def __init__(self, session: AsyncSession, user_id: UUID, key: str) -> None:
        self.session = session
        self.user_id = user_id
        self.key = key
        event.listen(session.sync_session, "after_begin", self._claim)

    async def keep(self, fingerprint: bytes, answer: Answer) -> None:
        """Store the answer, unless it is large, in the transaction that made it true.

        Raises:
            InvalidAccessToken: the user was deleted meanwhile.
        """
        if len(answer.body) > LARGEST:
            return
        now = utc_now()
        values = {
            "user_id": self.user_id,
            "key": self.key,
            "fingerprint": fingerprint,
            "status": answer.status,
            "headers": dict(answer.headers),
            "body": answer.body,
            "created_at": now,
            "expires_at": now + KEPT,
        }
        try:
            await self.session.execute(insert(IdempotencyKey).values(values))
        except IntegrityError as error:
            # The claim leaves no other constraint to break than that of the user.
            raise InvalidAccessToken from error

    def _claim(self, _: object, transaction: Any, connection: Connection) -> None:
        if transaction.nested:
            return
        if connection.dialect.name == "postgresql":
            lock = func.pg_try_advisory_xact_lock(self._lock_number())
            if not connection.scalar(select(lock)):
                raise IdempotencyKeyInUse
        mine = (
            IdempotencyKey.user_id == self.user_id,
            IdempotencyKey.key == self.key,
        )
        found = connection.execute(
            select(*IdempotencyKey.__table__.c).where(*mine)
        ).one_or_none()
        if found is None:
            return
        if found.expires_at > utc_now():
            raise AlreadyAnswered(found)
        connection.execute(delete(IdempotencyKey).where(*mine))

    def _lock_number(self) -> int:
        digest = blake2b(self.user_id.bytes + self.key.encode(), digest_size=8)
        return int.from_bytes(digest.digest(), signed=True)
