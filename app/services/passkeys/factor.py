"""Passkeys as a second factor: after a password, and for reauthentication."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.settings.passkeys import PasskeySettings
from app.db.models.passkey import Ceremony, Passkey
from app.db.session import Database
from app.schemas.passkey import PasskeyRequestOptions
from app.services.accounts.assurance import SecondFactor
from app.services.accounts.pending_logins import PendingLogins
from app.services.accounts.principal import Principal
from app.services.passkeys.assertions import METHODS, Assertions
from app.services.passkeys.verification import Unproven, Verifier


@dataclass(frozen=True, slots=True)
class PasskeyFactor(SecondFactor):
    assertions: Assertions

    name = field = "passkey"
    methods = METHODS
    guessable = False
    is_backup = False

    async def check(self, user: Row[Any], answer: Any, holder: bytes) -> bool:
        owner = await self.assertions.find(answer)
        if owner is None or owner.id != user.id:
            return False
        ceremony = Ceremony.SECOND_FACTOR
        try:
            verified = await self.assertions.verify(answer, owner, ceremony, holder)
            await self.assertions.use(owner, verified)
        except Unproven:
            return False
        return True

    async def forget(self, user_id: UUID) -> None:
        statement = delete(Passkey).where(Passkey.user_id == user_id)
        await self.assertions.session.execute(statement)


def make(
    session: AsyncSession, database: Database, settings: PasskeySettings
) -> PasskeyFactor:
    verifier = Verifier(settings.passkey_rp_id, settings.passkey_origins)
    return PasskeyFactor(Assertions(session, database.read, verifier))


@dataclass(frozen=True, slots=True)
class PasskeyChallenger:
    """Issues challenges to one user, each bound to a pending login or a session."""

    assertions: Assertions
    pending: PendingLogins

    async def finish_login(self, mfa_token: str) -> PasskeyRequestOptions:
        """Return what the browser needs to prove a passkey in a pending login.

        Raises `MfaFailed` if the login has ended.
        """
        login = await self.pending.find(mfa_token)
        return await self._options(login.token_hash, login.user_id)

    async def confirm(self, caller: Principal) -> PasskeyRequestOptions:
        return await self._options(caller.session_id.bytes, caller.user_id)

    async def _options(self, holder: bytes, user_id: UUID) -> PasskeyRequestOptions:
        return await self.assertions.options(Ceremony.SECOND_FACTOR, holder, user_id)
