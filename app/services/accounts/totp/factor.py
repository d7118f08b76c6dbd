"""Codes of authenticator apps: TOTP (RFC 6238), SHA-1, six digits, steps of 30 s."""

import hmac
import time
from base64 import b32encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Row, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.logging import get_logger
from app.core.sealing import Unreadable, is_current, seal, unseal
from app.core.security import Info, SecretRing
from app.db.models.totp import Totp
from app.services.accounts.assurance import SecondFactor

if TYPE_CHECKING:
    import pyotp

STEP_SECONDS = 30
KEY: Info = "totp-kek-v1"

TOTP = Totp.__table__.c
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TotpFactor(SecondFactor):
    """Accepts the codes of the current and the previous step, each code once."""

    session: AsyncSession
    ring: SecretRing

    name = "totp"
    field = "code"
    methods = ("otp", "mfa")
    guessable = True
    is_backup = False

    async def check(self, user: Row[Any], answer: Any, holder: bytes) -> bool:
        return await self.use(user.id, answer, is_active=True)

    async def forget(self, user_id: UUID) -> None:
        await self.session.execute(delete(Totp).where(TOTP.user_id == user_id))

    async def use(self, user_id: UUID, code: str, *, is_active: bool) -> bool:
        """Whether the code is right. Its step is stored, so that a code works once."""
        mine = (TOTP.user_id == user_id, TOTP.is_active.is_(is_active))
        found = await self.session.execute(select(TOTP.secret).where(*mine))
        sealed = found.scalar_one_or_none()
        if sealed is None:
            return False
        try:
            secret = unseal(self.ring, KEY, sealed, user_id.bytes)
        except Unreadable:
            log.error("totp.unreadable", user_id=str(user_id))
            return False
        step = matching_step(secret, code)
        if step is None:
            return False
        changes: dict[str, Any] = {"last_step": step}
        if not is_current(self.ring, KEY, sealed):
            changes["secret"] = self.seal(user_id, secret)
        used = await self.session.scalar(
            update(Totp)
            .where(*mine, TOTP.last_step < step)
            .values(changes)
            .returning(TOTP.last_step)
        )
        return used is not None

    def seal(self, user_id: UUID, secret: bytes) -> bytes:
        return seal(self.ring, KEY, secret, user_id.bytes)


def matching_step(secret: bytes, code: str) -> int | None:
    """Return the step of the code: the current or the previous one (RFC 6238 §5.2).

    If both steps have the same code, return the current step. Once the current step has
    been used, neither step can be used again.
    """
    codes, now = generator(secret), int(time.time()) // STEP_SECONDS
    for step in (now, now - 1):
        if hmac.compare_digest(codes.generate_otp(step), code):
            return step
    return None


def generator(secret: bytes) -> "pyotp.TOTP":
    # Imported here, because only accounts with an authenticator app need it.
    import pyotp

    return pyotp.TOTP(b32encode(secret).decode())


def qr_code(uri: str) -> str:
    """Draw an SVG image, with the white border that scanners need, as a data URL."""
    import segno

    return segno.make(uri, micro=False).svg_data_uri(scale=4, light="#fff")
