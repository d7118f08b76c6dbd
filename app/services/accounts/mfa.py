"""Listing and resetting all second factors of an account, and its recovery codes."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.schemas.second_factor import RecoveryCodesRead, SecondFactorsRead
from app.services.accounts.principal import Principal, lock_caller
from app.services.accounts.recovery_codes import NoSecondFactor, RecoveryCodes
from app.services.accounts.second_factors import SecondFactors
from app.services.accounts.sessions import revoke_sessions
from app.services.accounts.sign_in import SignInChanges
from app.services.accounts.users import UserService
from app.services.audit import record
from app.services.mail.outbox import Outbox


@dataclass(frozen=True, slots=True)
class MfaService:
    session: AsyncSession
    outbox: Outbox
    users: UserService
    factors: SecondFactors
    recovery_codes: RecoveryCodes
    changes: SignInChanges

    async def read(self, caller: Principal) -> SecondFactorsRead:
        return SecondFactorsRead(
            second_factors=caller.user.second_factors.split(),
            recovery_codes_left=await self.recovery_codes.count(caller.user_id),
        )

    async def new_recovery_codes(self, caller: Principal) -> RecoveryCodesRead:
        """Replace all recovery codes. Raises `NoSecondFactor`."""
        user = await lock_caller(self.session, caller)
        if not self.factors.of(user):
            raise NoSecondFactor
        codes = await self.recovery_codes.replace(user.id)
        await self.changes.announce(
            caller,
            "account.recovery_codes.generated",
            "New recovery codes were made. The previous ones do not work any more.",
        )
        return RecoveryCodesRead(recovery_codes=codes)

    async def reset(self, user_id: UUID) -> None:
        """Remove all second factors of a user who has lost them, and tell the owner."""
        user = await self.users.lock(user_id)
        await self.factors.remove_all(user_id)
        await revoke_sessions(self.session, user_id, "mfa_reset")
        record(self.session, "account.mfa.reset", user_id)
        await self.outbox.add("mfa_reset", user.email)
