"""Recovery codes, for users who have lost their second factor."""

import hashlib
import secrets
from dataclasses import dataclass
from textwrap import wrap
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Conflict
from app.db.models.recovery_code import RecoveryCode
from app.services.accounts.assurance import SecondFactor
from app.services.audit import record
from app.services.mail.outbox import Outbox

CODES = 10
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32
LENGTH = 24  # 120 bits, so that a hash needs neither salt nor key (ASVS 6.5.2)
READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})

CODE = RecoveryCode.__table__.c


class NoSecondFactor(Conflict):
    """The account has no second factor that a recovery code could replace."""

    code = "no_second_factor"
    detail = "First add a second factor, such as an authenticator app."


@dataclass(frozen=True, slots=True)
class RecoveryCodes(SecondFactor):
    """Makes recovery codes, and accepts each code once, as a second factor."""

    session: AsyncSession
    outbox: Outbox

    name = field = "recovery_code"
    methods = ("otp", "mfa")
    guessable = False
    is_backup = True

    async def check(self, user: Row[Any], answer: Any, holder: bytes) -> bool:
        used = await self.session.scalar(
            delete(RecoveryCode)
            .where(CODE.user_id == user.id, CODE.code_hash == digest(answer))
            .returning(CODE.user_id)
        )
        if used is None:
            return False
        record(self.session, "account.recovery_codes.used", user.id, actor=user.id)
        left = await self.count(user.id)
        await self.outbox.add("recovery_code_used", user.email, left=str(left))
        return True

    async def forget(self, user_id: UUID) -> None:
        await self.session.execute(delete(RecoveryCode).where(CODE.user_id == user_id))

    async def count(self, user_id: UUID) -> int:
        count = select(func.count()).where(CODE.user_id == user_id)
        return int(await self.session.scalar(count) or 0)

    async def make_first(self, user_id: UUID) -> list[str]:
        """Return new codes, or an empty list if the user still has codes."""
        if await self.count(user_id):
            return []
        record(self.session, "account.recovery_codes.generated", user_id)
        return await self.replace(user_id)

    async def replace(self, user_id: UUID) -> list[str]:
        """Return new codes. The previous ones stop working."""
        await self.forget(user_id)
        codes = [new_code() for _ in range(CODES)]
        rows = [{"user_id": user_id, "code_hash": digest(code)} for code in codes]
        await self.session.execute(insert(RecoveryCode), rows)
        return codes


def new_code() -> str:
    """Return 24 characters in groups of four: `7H2K-9QWM-…`."""
    code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return "-".join(wrap(code, 4))


def digest(code: str) -> bytes:
    """Hash a code as its owner types it.

    Ignore case, hyphens and spaces. Read O as 0, and I and L as 1.
    """
    typed = code.upper().translate(READ_AS)
    return hashlib.sha256(typed.encode("utf-8", "surrogatepass")).digest()
