"""Verifying and changing the e-mail address of an account."""

from dataclasses import dataclass

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.core.email_address import parse_email
from app.db.models.one_time_token import TokenPurpose
from app.db.reads import ReadSession
from app.schemas.auth import EmailChange
from app.services.accounts.credentials import revoke_credentials
from app.services.accounts.login import AuthService
from app.services.accounts.mail_quota import MailQuota
from app.services.accounts.one_time_links import (
    SELECT_CHOSEN,
    OneTimeLinks,
    forget_links,
)
from app.services.accounts.passwords import find_owner
from app.services.accounts.principal import Principal
from app.services.accounts.sessions import Client, revoke_sessions
from app.services.accounts.users import EmailTaken
from app.services.audit import record
from app.services.mail.outbox import Outbox


@dataclass(slots=True)
class EmailAddressService:
    session: AsyncSession
    read: ReadSession
    links: OneTimeLinks
    outbox: Outbox
    quota: MailQuota
    auth: AuthService

    async def verify(self, token: str) -> None:
        found = await self.links.find(TokenPurpose.VERIFY_EMAIL, token)
        user = await self.links.redeem(found)
        user.email_verified = True
        if found.chosen_hash not in (None, user.password_hash):
            # Another person had registered the address before, with another password.
            user.password_hash = found.chosen_hash
            await revoke_sessions(self.session, user.id, "password")
            await revoke_credentials(self.session, user.id, "password")
        await self.session.flush()
        # Other registrations of this address have mailed links, too. Each of these
        # links would activate another password.
        await forget_links(self.session, user.id)
        record(self.session, "account.email.verified", user.id, actor=user.id)

    async def resend(self, email: str, client: Client) -> None:
        """Mail a new link if the address belongs to an unverified account."""
        if not await self.quota.take(email, client.address):
            return
        owner = await find_owner(self.read, email)
        waiting = owner if owner is not None and not owner.email_verified else None
        values = {"owner": waiting.id if waiting else uuid7()}
        newest = await self.read.one_or_none(SELECT_CHOSEN, values)
        await self.links.mail(
            TokenPurpose.VERIFY_EMAIL, waiting, chosen_hash=newest and newest[0]
        )

    async def request_change(
        self, caller: Principal, data: EmailChange, client: Client
    ) -> None:
        """Mail a link to the new address.

        If another account has the address, the service refuses the change only when the
        link is used. The answer to this request therefore does not reveal the account.
        """
        account, verified = await self.auth.compare(caller, data.password)
        if not await self.quota.take(data.email, client.address):
            return
        user = await self.auth.lock(account, verified.upgraded_hash)
        record(self.session, "account.email.change_requested", user.id)
        await self.links.mail(TokenPurpose.CHANGE_EMAIL, user, new_email=data.email)

    async def confirm_change(self, token: str) -> None:
        """Change the address. End all sessions, and invalidate all mailed links.

        Otherwise a person who reads the old mailbox could still get into the account.
        """
        found = await self.links.find(TokenPurpose.CHANGE_EMAIL, token)
        user = await self.links.redeem(found)
        identity = parse_email(found.new_email)
        old = user.email
        user.email, user.email_canonical = identity.email, identity.canonical
        user.email_verified = True
        try:
            await self.session.flush()
        except IntegrityError as error:
            raise EmailTaken from error
        await revoke_sessions(self.session, user.id, "email")
        await forget_links(self.session, user.id)
        for address in (old, user.email):
            await self.outbox.add("email_changed", address)
        record(self.session, "account.email.changed", user.id, actor=user.id)
