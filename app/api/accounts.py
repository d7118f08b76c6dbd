"""What the endpoints of accounts share: the kinds of callers, and the services."""

from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.authentication import caller_with
from app.api.dependencies import SessionDep, StateDep
from app.core.request_context import current_request
from app.core.tokens.device import DeviceTokens
from app.core.tokens.refresh import RefreshTokens
from app.db.base import utc_now
from app.db.session import ReadSession
from app.services.accounts.email_addresses import EmailAddressService
from app.services.accounts.login import AuthService
from app.services.accounts.login_throttle import LoginThrottle
from app.services.accounts.mail_quota import MailQuota
from app.services.accounts.one_time_links import OneTimeLinks
from app.services.accounts.passwords import NewPasswords, PasswordService
from app.services.accounts.principal import Principal
from app.services.accounts.refresh import RefreshService
from app.services.accounts.registration import AccountService
from app.services.accounts.sessions import Client, SessionService, SessionStarter
from app.services.accounts.users import UserDirectory, UserService
from app.services.mail.outbox import Outbox
from app.state import AppState

CurrentUser = Annotated[Principal, caller_with("account:read")]
AccountHolder = Annotated[Principal, caller_with("account:write")]
FreshAccountHolder = Annotated[Principal, caller_with("account:write", fresh=True)]
UserReader = Annotated[Principal, caller_with("users:read")]
UserAdmin = Annotated[Principal, caller_with("users:write")]


def login_throttle(state: AppState) -> LoginThrottle:
    return LoginThrottle(state.hasher, state.limiter, state.policies, state.ring)


@dataclass(frozen=True, slots=True)
class Accounts:
    """Makes the services of accounts, which share the transaction of a request."""

    session: AsyncSession
    state: AppState

    @property
    def registration(self) -> AccountService:
        return AccountService(
            self.session,
            self.state.settings.registration,
            self._new_passwords,
            self._links,
            self._outbox,
        )

    @property
    def auth(self) -> AuthService:
        throttle = self.state.single(login_throttle)
        devices = DeviceTokens(self.state.ring)
        return AuthService(self.session, self._read, throttle, devices, self._starter)

    @property
    def refreshing(self) -> RefreshService:
        return RefreshService(
            self.session,
            self._read,
            self.state.settings,
            self._refresh_tokens,
            self._starter,
            self._outbox,
        )

    @property
    def sessions(self) -> SessionService:
        return SessionService(self.session, self._read, self.state.cursors)

    @property
    def passwords(self) -> PasswordService:
        return PasswordService(
            self.session,
            self._read,
            self._new_passwords,
            self._links,
            self._outbox,
            self._quota,
            self.auth,
        )

    @property
    def email_addresses(self) -> EmailAddressService:
        return EmailAddressService(
            self.session, self._read, self._links, self._outbox, self._quota, self.auth
        )

    @property
    def users(self) -> UserService:
        return UserService(self.session)

    @property
    def _read(self) -> ReadSession:
        return self.state.database.read

    @property
    def _outbox(self) -> Outbox:
        return Outbox(self.session, self.state.mail_waits.set)

    @property
    def _links(self) -> OneTimeLinks:
        base_url = self.state.settings.public_base_url
        return OneTimeLinks(self.session, self._read, self._outbox, base_url)

    @property
    def _quota(self) -> MailQuota:
        return MailQuota(self.state.limiter, self.state.policies)

    @property
    def _new_passwords(self) -> NewPasswords:
        return NewPasswords(self.state.settings, self.state.hasher)

    @property
    def _starter(self) -> SessionStarter:
        return SessionStarter(
            self.session,
            self.state.settings,
            self.state.access_tokens,
            self._refresh_tokens,
        )

    @property
    def _refresh_tokens(self) -> RefreshTokens:
        return RefreshTokens(self.state.ring)


async def get_accounts(session: SessionDep, state: StateDep) -> Accounts:
    return Accounts(session, state)


async def get_client() -> Client:
    context = current_request()
    assert context is not None  # noqa: S101 - the middleware is always there
    return Client(
        address=context.client_address,
        user_agent=context.user_agent,
        arrived_at=utc_now() - timedelta(seconds=monotonic() - context.started),
    )


async def get_user_directory(state: StateDep) -> UserDirectory:
    return UserDirectory(state.database.replica, state.cursors)


AccountsDep = Annotated[Accounts, Depends(get_accounts)]
ClientDep = Annotated[Client, Depends(get_client)]
UserDirectoryDep = Annotated[UserDirectory, Depends(get_user_directory)]
