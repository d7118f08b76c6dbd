"""Creating accounts: by registration, or by an administrator."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.email_address import canonical_email
from app.core.errors import Forbidden
from app.core.settings.security import SecuritySettings
from app.db.models.one_time_token import TokenPurpose
from app.db.models.user import User
from app.schemas.user import UserRegister
from app.services.accounts.mail_quota import MailQuota
from app.services.accounts.one_time_links import OneTimeLinks
from app.services.accounts.passwords import NewPasswords
from app.services.accounts.sessions import Client
from app.services.accounts.users import EmailTaken, UserService
from app.services.audit import record
from app.services.mail.outbox import Outbox


class RegistrationClosed(Forbidden):
    """Only administrators can create accounts."""

    code = "registration_closed"


@dataclass(slots=True)
class AccountService:
    """Creates accounts.

    A password is hashed before the transaction begins, because hashing takes long and
    a transaction holds a connection.
    """

    session: AsyncSession
    settings: SecuritySettings
    new_passwords: NewPasswords
    links: OneTimeLinks
    outbox: Outbox
    users: UserService
    quota: MailQuota

    async def register(self, data: UserRegister, client: Client) -> User | None:
        """Create an account and mail a link that confirms its address.

        In `verified` mode, an account is not created when the mail quota is used up,
        because nobody could confirm the address without the mail. In this mode the
        result is always None, because the answer must not reveal whether the address is
        registered.
        """
        if self.settings.registration == "closed":
            raise RegistrationClosed("Ask an administrator for an account.")
        password_hash = await self.new_passwords.hash(data.password, data.email)
        may_mail = await self.quota.take(data.email, client.address)
        if self.settings.registration == "open":
            return await self._add(data, password_hash, mail=may_mail)
        if not may_mail:
            return None
        try:
            async with self.session.begin_nested():
                await self._add(data, password_hash, mail=True)
        except EmailTaken:
            await self._tell_owner(data.email, password_hash)
        else:
            await self._find_owner(data.email)  # as slow as `_tell_owner`
        return None

    async def create(self, data: UserRegister) -> User:
        """Create an account for another person, whose address counts as verified."""
        password_hash = await self.new_passwords.hash(data.password, data.email)
        return await self.users.add(data, password_hash, verified=True)

    async def _add(self, data: UserRegister, password_hash: str, *, mail: bool) -> User:
        user = await self.users.add(data, password_hash, verified=False)
        if mail:
            await self._mail_link(user, password_hash)
        return user

    async def _mail_link(self, user: User | Row[Any], password_hash: str) -> None:
        await self.links.mail(
            TokenPurpose.VERIFY_EMAIL, user, chosen_hash=password_hash
        )

    async def _tell_owner(self, email: str, password_hash: str) -> None:
        """Mail the owner of a registered address. Use the spelling that is stored.

        If the address is not verified, another person may have registered it first. In
        this case the new registration gets a link that activates the new password. The
        method takes as long as creating an account, so that timing reveals nothing.
        """
        owner = await self._find_owner(email)
        if owner is not None and not owner.email_verified:
            await self._mail_link(owner, password_hash)
        else:
            await self.outbox.add("account_exists", owner and owner.email)
            await self._find_owner(email)  # as slow as storing a link
        if owner is not None:
            record(self.session, "account.duplicate_attempt", owner.id)

    async def _find_owner(self, email: str) -> Any:
        columns = (User.id, User.email, User.email_verified, User.password_hash)
        canonical = canonical_email(email)
        statement = select(*columns).where(User.email_canonical == canonical)
        found = await self.session.execute(statement.where(User.is_active))
        return found.one_or_none()
