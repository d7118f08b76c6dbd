"""The passkeys of the caller: listing, renaming and removing them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.db.models.passkey import Passkey
from app.db.reads import ReadSession
from app.services.accounts.principal import Principal, lock_caller
from app.services.accounts.second_factors import SecondFactors
from app.services.accounts.sign_in import SignInChanges
from app.services.audit import record
from app.services.passkeys.assertions import PASSKEYS_OF_USER
from app.services.passkeys.factor import PasskeyFactor


class PasskeyNotFound(NotFound):
    """The caller has no passkey with this id."""

    code = "passkey_not_found"
    detail = "You have no passkey with this id."


@dataclass(frozen=True, slots=True)
class OwnPasskeys:
    session: AsyncSession
    read: ReadSession
    factors: SecondFactors
    changes: SignInChanges

    async def list(self, caller: Principal) -> Sequence[Row[Any]]:
        return await self.read.all(PASSKEYS_OF_USER, {"user": caller.user_id})

    async def rename(self, caller: Principal, passkey_id: UUID, name: str) -> Passkey:
        passkey: Passkey | None = await self.session.scalar(
            update(Passkey)
            .where(Passkey.id == passkey_id, Passkey.user_id == caller.user_id)
            .values(name=name)
            .returning(Passkey)
        )
        if passkey is None:
            raise PasskeyNotFound
        record(
            self.session,
            "account.passkey.renamed",
            caller.user_id,
            passkey=str(passkey_id),
        )
        return passkey

    async def remove(self, caller: Principal, passkey_id: UUID) -> None:
        await lock_caller(self.session, caller)
        removed = await self.session.scalar(
            delete(Passkey)
            .where(Passkey.id == passkey_id, Passkey.user_id == caller.user_id)
            .returning(Passkey.id)
        )
        if removed is None:
            raise PasskeyNotFound
        left = await self.session.execute(PASSKEYS_OF_USER, {"user": caller.user_id})
        if not left.all():
            await self.factors.remove(caller.user_id, PasskeyFactor.name)
        await self.changes.announce(
            caller,
            "account.passkey.removed",
            "A passkey was removed.",
            passkey=str(passkey_id),
        )
