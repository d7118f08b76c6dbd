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
from app.services.accounts.principal import Principal
from app.services.accounts.sign_in import SignInChanges
from app.services.accounts.users import UserService
from app.services.audit import record
from app.services.passkeys.registration import PASSKEYS_OF_USER


class PasskeyNotFound(NotFound):
    """The caller has no passkey with this id."""

    code = "passkey_not_found"
    detail = "You have no passkey with this id."


@dataclass(frozen=True, slots=True)
class OwnPasskeys:
    session: AsyncSession
    read: ReadSession
    users: UserService
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
        # The user is locked first, as in every change of a user.
        await self.users.lock(caller.user_id)
        removed = await self.session.scalar(
            delete(Passkey)
            .where(Passkey.id == passkey_id, Passkey.user_id == caller.user_id)
            .returning(Passkey.id)
        )
        if removed is None:
            raise PasskeyNotFound
        await self.changes.announce(
            caller,
            "account.passkey.removed",
            "A passkey was removed.",
            passkey=str(passkey_id),
        )
