"""Proving an e-mail address, and moving an account to another one."""

from dataclasses import dataclass

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.email_address import canonical_email, parse_email
from app.db.models import TokenPurpose
from app.db.session import ReadSession
from app.schemas.auth import EmailChange
from app.services.accounts.login import AuthService
from app.services.accounts.mail_quota import AccountQuota
from app.services.accounts.one_time_links import OneTimeTokens, forget_tokens
from app.services.accounts.passwords import find_owner
from app.services.accounts.principal import Principal, revoke_sessions
from app.services.accounts.session_start import Client
from app.services.accounts.users import EmailTaken
from app.services.audit import record
from app.services.mail.outbox import Outbox


@dataclass(slots=True)
class EmailAddressService:
    session: AsyncSession
    read: ReadSession
    tokens: OneTimeTokens
    outbox: Outbox
    quota: AccountQuota
    auth: AuthService

    async def verify(self, token: str) -> None:
        found = await self.tokens.find(TokenPurpose.VERIFY_EMAIL, token)
        user = await self.tokens.redeem(found)
        user.email_verified = True
        await self.session.flush()
        record(self.session, "account.email.verified", user.id, actor=user.id)

    async def resend(self, email: str) -> None:
        """Mail a new link, if the address has an account that is not verified."""
        await self.quota.take("mail_resend", canonical_email(email))
        owner = await find_owner(self.read, email)
        waiting = owner is not None and not owner.email_verified
        await self.tokens.mail(TokenPurpose.VERIFY_EMAIL, owner if waiting else None)

    async def request_change(
        self, caller: Principal, data: EmailChange, client: Client
    ) -> None:
        """Mail a link to the new address; whether it is taken shows in using it."""
        await self.quota.take("email_change", str(caller.user_id))
        user = await self.auth.confirm(caller, data.password, client)
        record(self.session, "account.email.change_requested", user.id)
        await self.tokens.mail(TokenPurpose.CHANGE_EMAIL, user, new_email=data.email)

    async def confirm_change(self, token: str) -> None:
        """Move the account: who reads the old mailbox must not get back in."""
        found = await self.tokens.find(TokenPurpose.CHANGE_EMAIL, token)
        user = await self.tokens.redeem(found)
        identity = parse_email(found.new_email)
        old = user.email
        user.email, user.email_canonical = identity.email, identity.canonical
        user.email_verified = True
        try:
            await self.session.flush()
        except IntegrityError as error:
            raise EmailTaken("This e-mail address has an account.") from error
        await revoke_sessions(self.session, user.id, "email")
        await forget_tokens(self.session, user.id)
        for address in (old, user.email):
            await self.outbox.add("email_changed", address)
        record(self.session, "account.email.changed", user.id, actor=user.id)
