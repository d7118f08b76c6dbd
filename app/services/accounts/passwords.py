"""Choosing, changing and resetting a password."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.passwords.hashing import PasswordHasher, normalise
from app.core.passwords.policy import WeakPassword, check_password
from app.core.settings.security import SecuritySettings
from app.db.models.one_time_token import TokenPurpose
from app.db.models.user import User
from app.db.reads import ReadSession
from app.schemas.auth import PasswordChange, PasswordReset, TokenPair
from app.services.accounts.credentials import revoke_credentials
from app.services.accounts.login import AuthService
from app.services.accounts.lookup import find_account
from app.services.accounts.mail_quota import MailQuota
from app.services.accounts.one_time_links import OneTimeLinks, forget_links
from app.services.accounts.principal import Principal
from app.services.accounts.sessions import Client, revoke_sessions
from app.services.audit import record
from app.services.mail.outbox import Outbox

# Takes a password and its JSON pointer. Raises `WeakPassword` if attackers know the
# password.
LookUp = Callable[[str, str], Awaitable[None]]


class PasswordUnchanged(WeakPassword):
    """The new password must differ from the current one."""

    def __init__(self) -> None:
        super().__init__(
            "#/new_password",
            "password_unchanged",
            "The new password must differ from the current one.",
        )


@dataclass(frozen=True, slots=True)
class NewPasswords:
    """Checks and hashes the passwords that users choose."""

    settings: SecuritySettings
    hasher: PasswordHasher
    look_up: LookUp | None = None

    async def check(
        self, password: str, email: str, pointer: str = "#/password"
    ) -> None:
        """Check a password. Raises `WeakPassword` if this user must not choose it.

        Call this before the first statement, because it can wait for another server.
        """
        local_part, _, domain = email.partition("@")
        check_password(
            password,
            min_length=self.settings.password_min_length,
            context=(self.settings.app_name, local_part, domain),
            pointer=pointer,
        )
        if self.look_up is not None:
            await self.look_up(password, pointer)

    async def hash(self, password: str, email: str) -> str:
        """Check a password and return its hash. Raises `WeakPassword`."""
        await self.check(password, email)
        return await self.hasher.hash(password)


async def find_owner(read: ReadSession, email: str) -> Row[Any] | None:
    """Find the active account of an e-mail address. Other accounts get no mail."""
    account = await find_account(read, email)
    return account if account is not None and account.is_active else None


@dataclass(slots=True)
class PasswordService:
    """Changes passwords. A new password ends the sessions and links of the user."""

    session: AsyncSession
    read: ReadSession
    new_passwords: NewPasswords
    links: OneTimeLinks
    outbox: Outbox
    quota: MailQuota
    auth: AuthService

    async def change(
        self, caller: Principal, data: PasswordChange, client: Client
    ) -> TokenPair:
        """Change the password of the caller, and start a new session.

        The caller must send the current password, because the access token can be
        stolen.
        """
        if normalise(data.new_password) == normalise(data.current_password):
            raise PasswordUnchanged
        # Check the new password first, because this check needs no slow hash.
        email, pointer = caller.user.email, "#/new_password"
        await self.new_passwords.check(data.new_password, email, pointer)
        account, _ = await self.auth.compare(caller, data.current_password)
        password_hash = await self.new_passwords.hasher.hash(data.new_password)
        await self.auth.lock(account)
        user = await self.session.get_one(User, account.id)
        await self._replace(user, password_hash, devices="every other device")
        record(self.session, "account.password.changed", user.id)
        started = await self.auth.starter.start(user.id, client, replaced=caller)
        return self.auth.starter.tokens(started, user.role)

    async def forget(self, email: str, client: Client) -> None:
        """Mail a link to the owner of the address, if there is one."""
        if not await self.quota.take(email, client.address):
            return
        owner = await find_owner(self.read, email)
        await self.links.mail(TokenPurpose.RESET_PASSWORD, owner)
        # Record the request also for an unknown address, so that both cases take the
        # same time.
        subject = owner.id if owner else None
        record(self.session, "account.password.reset_requested", subject)

    async def reset(self, data: PasswordReset) -> None:
        found = await self.links.find(TokenPurpose.RESET_PASSWORD, data.token)
        password_hash = await self.new_passwords.hash(data.password, found.email)
        user = await self.links.redeem(found)
        user.email_verified = True  # the link came to this address
        await self._replace(user, password_hash, devices="every device")
        await revoke_credentials(self.session, user.id, "password")
        await self.auth.throttle.forgive(user.email)
        record(self.session, "account.password.reset", user.id, actor=user.id)

    async def set(self, user_id: UUID, email: str, password: str) -> None:
        """Give a user a new password, as an operator has asked."""
        password_hash = await self.new_passwords.hash(password, email)
        user = await self.auth.users.lock(user_id)
        await self._replace(user, password_hash, devices="every device")
        await revoke_credentials(self.session, user.id, "password")
        await self.auth.throttle.forgive(user.email)
        record(self.session, "account.password.changed", user.id)

    async def _replace(self, user: User, password_hash: str, *, devices: str) -> None:
        user.password_hash = password_hash
        await self.session.flush()
        await revoke_sessions(self.session, user.id, "password")
        await forget_links(self.session, user.id)
        await self.outbox.add("password_changed", user.email, devices=devices)
