"""Choosing a password: at first, another one, and after forgetting it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import SecuritySettings
from app.core.email_address import canonical_email
from app.core.passwords.hashing import PasswordHasher, normalise
from app.core.passwords.policy import WeakPassword, check_password
from app.db.models import TokenPurpose, User
from app.db.session import ReadSession
from app.schemas.auth import PasswordChange, PasswordReset, TokenPair
from app.services.accounts.login import AuthService, find_account
from app.services.accounts.mail_quota import AccountQuota
from app.services.accounts.one_time_links import OneTimeTokens, forget_tokens
from app.services.accounts.principal import Principal, revoke_sessions
from app.services.accounts.session_start import Client
from app.services.audit import record
from app.services.mail.outbox import Outbox


class PasswordUnchanged(WeakPassword):
    """The new password is the current one."""

    def __init__(self) -> None:
        super().__init__(
            "#/new_password", "password_unchanged", "Choose another than the current."
        )


async def hash_chosen(
    password: str,
    email: str,
    *,
    settings: SecuritySettings,
    hasher: PasswordHasher,
    pointer: str = "#/password",
) -> str:
    """Hash a password if the policy accepts it for this address.

    Raises:
        WeakPassword: nothing has been hashed.
    """
    local_part, _, domain = email.partition("@")
    check_password(
        password,
        min_length=settings.password_min_length,
        context=(settings.app_name, local_part, domain),
        pointer=pointer,
    )
    return await hasher.hash(password)


async def find_owner(read: ReadSession, email: str) -> Row[Any] | None:
    """Who may be mailed about the account of an address, however it is written."""
    account = await find_account(read, email)
    return account if account is not None and account.is_active else None


@dataclass(slots=True)
class PasswordService:
    """Every change ends the sessions and the links that the old password allowed."""

    session: AsyncSession
    read: ReadSession
    settings: SecuritySettings
    hasher: PasswordHasher
    tokens: OneTimeTokens
    outbox: Outbox
    quota: AccountQuota
    auth: AuthService

    async def change(
        self, caller: Principal, data: PasswordChange, client: Client
    ) -> TokenPair:
        """Also needs the current one: a stolen access token must not suffice."""
        if normalise(data.new_password) == normalise(data.current_password):
            raise PasswordUnchanged
        account, _ = await self.auth.compare(caller, data.current_password, client)
        password_hash = await self._hash(
            data.new_password, caller.user.email, "#/new_password"
        )
        user = await self.auth.lock(account)
        await self._replace(user, password_hash, devices="every other device")
        record(self.session, "account.password.changed", user.id)
        started = await self.auth.starter.start(user.id, client)
        return self.auth.starter.tokens(started)

    async def forget(self, email: str) -> None:
        """Mail a link to the owner of the address, if there is one."""
        await self.quota.take("mail_forgot", canonical_email(email))
        owner = await find_owner(self.read, email)
        await self.tokens.mail(TokenPurpose.RESET_PASSWORD, owner)
        # For nobody, too: the answers must take the same time.
        subject = owner.id if owner else None
        record(self.session, "account.password.reset_requested", subject)

    async def reset(self, data: PasswordReset) -> None:
        found = await self.tokens.find(TokenPurpose.RESET_PASSWORD, data.token)
        password_hash = await self._hash(data.password, found.email, "#/password")
        user = await self.tokens.redeem(found)
        user.email_verified = True  # the link came to this address
        await self._replace(user, password_hash, devices="every device")
        await self.auth.guard.forgive(user.email)
        record(self.session, "account.password.reset", user.id, actor=user.id)

    async def _hash(self, password: str, email: str, pointer: str) -> str:
        return await hash_chosen(
            password,
            email,
            settings=self.settings,
            hasher=self.hasher,
            pointer=pointer,
        )

    async def _replace(self, user: User, password_hash: str, *, devices: str) -> None:
        user.password_hash = password_hash
        await self.session.flush()
        await revoke_sessions(self.session, user.id, "password")
        await forget_tokens(self.session, user.id)
        await self.outbox.add("password_changed", user.email, devices=devices)
