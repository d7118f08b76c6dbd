"""Adding, replacing and removing an authenticator app."""

import os
from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Conflict, NotFound
from app.db.base import utc_now
from app.db.models.totp import TIME_TO_ACTIVATE, Totp
from app.schemas.second_factor import RecoveryCodesRead
from app.schemas.totp import TotpSecret
from app.services.accounts.pending_logins import MfaFailed
from app.services.accounts.principal import Principal, lock_caller
from app.services.accounts.recovery_codes import RecoveryCodes
from app.services.accounts.second_factors import SecondFactors
from app.services.accounts.sign_in import SignInChanges
from app.services.accounts.totp.factor import TOTP, TotpFactor, generator, qr_code

SECRET_SIZE = 20  # 160 bits, as RFC 4226 §4 recommends


class TotpNotEnrolled(Conflict):
    """The account has no unconfirmed authenticator secret, or the secret is too old."""

    code = "totp_not_enrolled"
    detail = "First get a secret at POST /auth/mfa/totp. It is valid for one hour."


class TotpNotFound(NotFound):
    """The account has no authenticator app."""

    code = "totp_not_found"
    detail = "Your account has no authenticator app."


@dataclass(frozen=True, slots=True)
class TotpService:
    session: AsyncSession
    totp: TotpFactor
    factors: SecondFactors
    recovery_codes: RecoveryCodes
    changes: SignInChanges
    app_name: str

    async def enrol(self, caller: Principal) -> TotpSecret:
        """Make a new secret. The active one stays until a code confirms the new one."""
        secret = os.urandom(SECRET_SIZE)
        await lock_caller(self.session, caller)
        waits = (TOTP.user_id == caller.user_id, ~TOTP.is_active)
        await self.session.execute(delete(Totp).where(*waits))
        values = {
            "user_id": caller.user_id,
            "is_active": False,
            "secret": self.totp.seal(caller.user_id, secret),
        }
        await self.session.execute(insert(Totp), values)
        codes = generator(secret)
        uri = codes.provisioning_uri(name=caller.user.email, issuer_name=self.app_name)
        return TotpSecret(secret=codes.secret, uri=uri, qr_code=qr_code(uri))

    async def activate(self, caller: Principal, code: str) -> RecoveryCodesRead:
        """Make the new secret active, if `code` shows that an app has stored it.

        Raises:
            TotpNotEnrolled: There is no new secret, or it is too old.
            MfaFailed: The code is wrong.
        """
        await lock_caller(self.session, caller)
        mine = TOTP.user_id == caller.user_id
        is_new = TOTP.created_at > utc_now() - TIME_TO_ACTIVATE
        waits = select(TOTP.user_id).where(mine, ~TOTP.is_active, is_new)
        if await self.session.scalar(waits) is None:
            raise TotpNotEnrolled
        if not await self.totp.use(caller.user_id, code, is_active=False):
            raise MfaFailed
        await self.session.execute(delete(Totp).where(mine, TOTP.is_active))
        await self.session.execute(update(Totp).where(mine).values(is_active=True))
        await self.factors.add(caller, self.totp)
        codes = await self.recovery_codes.make_first(caller.user_id)
        await self.changes.announce(
            caller, "account.mfa.totp.enrolled", "An authenticator app was added."
        )
        return RecoveryCodesRead(recovery_codes=codes)

    async def remove(self, caller: Principal) -> None:
        """Remove the app. Raises `TotpNotFound`."""
        user = await lock_caller(self.session, caller)
        if self.totp.name not in user.second_factors.split():
            raise TotpNotFound
        await self.factors.remove(caller.user_id, self.totp.name)
        await self.changes.announce(
            caller, "account.mfa.totp.removed", "The authenticator app was removed."
        )
