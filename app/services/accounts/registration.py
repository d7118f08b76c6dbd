"""How accounts come to be."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import SecuritySettings
from app.core.email_address import canonical_email
from app.core.errors import Forbidden
from app.core.passwords.hashing import PasswordHasher
from app.db.models.one_time_token import TokenPurpose
from app.db.models.user import User
from app.schemas.user import UserRegister
from app.services.accounts.one_time_links import OneTimeTokens
from app.services.accounts.passwords import hash_chosen
from app.services.accounts.principal import USER
from app.services.accounts.users import EmailTaken, UserService
from app.services.audit import record
from app.services.mail.outbox import Outbox


class RegistrationClosed(Forbidden):
    """Accounts are created by administrators only."""

    code = "registration_closed"


@dataclass(slots=True)
class AccountService:
    """Makes accounts.

    Passwords are hashed before the transaction begins, which holds a connection.
    """

    session: AsyncSession
    settings: SecuritySettings
    hasher: PasswordHasher
    tokens: OneTimeTokens
    outbox: Outbox

    async def register(self, data: UserRegister) -> User | None:
        """None where only the mail may say whether the account is new."""
        if self.settings.registration == "closed":
            raise RegistrationClosed("Ask an administrator for an account.")
        password_hash = await self._hash(data)
        if self.settings.registration == "open":
            return await self._add(data, password_hash)
        try:
            async with self.session.begin_nested():
                await self._add(data, password_hash)
        except EmailTaken:
            await self._tell_owner(data.email)
        return None

    async def create(self, data: UserRegister) -> User:
        """Make an account for somebody else, vouching for the address."""
        password_hash = await self._hash(data)
        return await UserService(self.session).add(data, password_hash, verified=True)

    async def _add(self, data: UserRegister, password_hash: str) -> User:
        user = await UserService(self.session).add(data, password_hash, verified=False)
        await self.tokens.mail(TokenPurpose.VERIFY_EMAIL, user)
        return user

    async def _hash(self, data: UserRegister) -> str:
        return await hash_chosen(
            data.password, data.email, settings=self.settings, hasher=self.hasher
        )

    async def _tell_owner(self, email: str) -> None:
        """To the address as stored, not as typed; takes as long as a new account."""
        owner = (
            await self.session.execute(
                select(USER.id, USER.email).where(
                    USER.email_canonical == canonical_email(email), USER.is_active
                )
            )
        ).one_or_none()
        await self.outbox.add("account_exists", owner and owner.email)
        if owner is not None:
            record(self.session, "account.duplicate_attempt", owner.id)
