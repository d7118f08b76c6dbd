"""Dependencies that the endpoints of accounts share."""

from datetime import timedelta
from time import monotonic
from typing import Annotated

from fastapi import Depends

from app.api.authentication import caller_with
from app.api.dependencies import OutboxDep, ReadSessionDep, SessionDep, StateDep
from app.core.request_context import current_request
from app.core.tokens.device import DeviceTokens
from app.core.tokens.refresh import RefreshTokens
from app.db.base import utc_now
from app.services.accounts.email_addresses import EmailAddressService
from app.services.accounts.login import AuthService
from app.services.accounts.login_throttle import LoginThrottle
from app.services.accounts.mail_quota import MailQuota
from app.services.accounts.one_time_links import OneTimeLinks
from app.services.accounts.passwords import PasswordService
from app.services.accounts.principal import Principal
from app.services.accounts.refresh import RefreshService
from app.services.accounts.registration import AccountService
from app.services.accounts.sessions import Client, SessionService, SessionStarter
from app.services.accounts.users import UserDirectory, UserService
from app.state import AppState

CurrentUser = Annotated[Principal, caller_with("account:read")]
AccountHolder = Annotated[Principal, caller_with("account:write")]
FreshAccountHolder = Annotated[Principal, caller_with("account:write", fresh=True)]
UserReader = Annotated[Principal, caller_with("users:read")]
UserAdmin = Annotated[Principal, caller_with("users:write", fresh=True)]


def login_throttle(state: AppState) -> LoginThrottle:
    return LoginThrottle(state.hasher, state.limiter, state.policies, state.ring)


async def get_client() -> Client:
    context = current_request()
    assert context is not None  # noqa: S101 - the middleware is always there
    return Client(
        address=context.client_address,
        user_agent=context.user_agent,
        arrived_at=utc_now() - timedelta(seconds=monotonic() - context.started),
    )


async def get_one_time_links(
    session: SessionDep, read: ReadSessionDep, outbox: OutboxDep, state: StateDep
) -> OneTimeLinks:
    return OneTimeLinks(session, read, outbox, state.settings.public_base_url)


async def get_session_starter(session: SessionDep, state: StateDep) -> SessionStarter:
    return SessionStarter(
        session, state.settings, state.access_tokens, RefreshTokens(state.ring)
    )


async def get_mail_quota(state: StateDep) -> MailQuota:
    return MailQuota(state.limiter, state.policies)


async def get_user_service(session: SessionDep, outbox: OutboxDep) -> UserService:
    return UserService(session, outbox)


ClientDep = Annotated[Client, Depends(get_client)]
OneTimeLinksDep = Annotated[OneTimeLinks, Depends(get_one_time_links)]
SessionStarterDep = Annotated[SessionStarter, Depends(get_session_starter)]
MailQuotaDep = Annotated[MailQuota, Depends(get_mail_quota)]
UserServiceDep = Annotated[UserService, Depends(get_user_service)]


async def get_auth_service(
    session: SessionDep,
    read: ReadSessionDep,
    state: StateDep,
    starter: SessionStarterDep,
    users: UserServiceDep,
) -> AuthService:
    throttle, devices = state.single(login_throttle), DeviceTokens(state.ring)
    return AuthService(session, read, throttle, devices, starter, users)


AuthServiceDep = Annotated[AuthService, Depends(get_auth_service)]


async def get_refresh_service(
    session: SessionDep,
    read: ReadSessionDep,
    state: StateDep,
    starter: SessionStarterDep,
    outbox: OutboxDep,
) -> RefreshService:
    return RefreshService(
        session, read, state.settings, starter.refresh_tokens, starter, outbox
    )


async def get_session_service(
    session: SessionDep, read: ReadSessionDep, state: StateDep
) -> SessionService:
    return SessionService(session, read, state.cursors)


async def get_account_service(
    session: SessionDep,
    links: OneTimeLinksDep,
    outbox: OutboxDep,
    users: UserServiceDep,
    quota: MailQuotaDep,
    state: StateDep,
) -> AccountService:
    return AccountService(
        session, state.settings, state.hasher, links, outbox, users, quota
    )


async def get_password_service(
    session: SessionDep,
    read: ReadSessionDep,
    links: OneTimeLinksDep,
    outbox: OutboxDep,
    quota: MailQuotaDep,
    auth: AuthServiceDep,
    state: StateDep,
) -> PasswordService:
    return PasswordService(
        session,
        read,
        state.settings,
        state.hasher,
        links,
        outbox,
        quota,
        auth,
    )


async def get_email_address_service(
    session: SessionDep,
    read: ReadSessionDep,
    links: OneTimeLinksDep,
    outbox: OutboxDep,
    quota: MailQuotaDep,
    auth: AuthServiceDep,
) -> EmailAddressService:
    return EmailAddressService(session, read, links, outbox, quota, auth)


async def get_user_directory(state: StateDep) -> UserDirectory:
    return UserDirectory(state.database.replica, state.cursors)


RefreshServiceDep = Annotated[RefreshService, Depends(get_refresh_service)]
SessionServiceDep = Annotated[SessionService, Depends(get_session_service)]
AccountServiceDep = Annotated[AccountService, Depends(get_account_service)]
PasswordServiceDep = Annotated[PasswordService, Depends(get_password_service)]
EmailAddressServiceDep = Annotated[
    EmailAddressService, Depends(get_email_address_service)
]
UserDirectoryDep = Annotated[UserDirectory, Depends(get_user_directory)]
