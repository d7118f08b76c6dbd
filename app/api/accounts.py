"""The kinds of callers and the services that the endpoints of accounts share."""

from contextlib import suppress
from datetime import timedelta
from time import monotonic
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.api import breached_passwords
from app.api.authentication import caller_with, get_caller
from app.api.dependencies import SessionDep, StateDep
from app.api.refresh_tokens import find_refresh_token
from app.api.second_factors import SECOND_FACTORS
from app.bearers import BEARERS
from app.core.request_context import current_request
from app.core.tokens.access import InvalidAccessToken
from app.core.tokens.device import DeviceTokens
from app.core.tokens.refresh import RefreshTokens
from app.db.base import utc_now
from app.services.accounts.email_addresses import EmailAddressService
from app.services.accounts.login import AuthService
from app.services.accounts.login_throttle import LoginThrottle
from app.services.accounts.mail_quota import MailQuota
from app.services.accounts.mfa import MfaService
from app.services.accounts.one_time_links import OneTimeLinks
from app.services.accounts.passwords import NewPasswords, PasswordService
from app.services.accounts.pending_logins import PendingLogins
from app.services.accounts.principal import Principal
from app.services.accounts.recovery_codes import RecoveryCodes
from app.services.accounts.refresh import RefreshService
from app.services.accounts.registration import AccountService
from app.services.accounts.second_factors import FactorThrottle, SecondFactors
from app.services.accounts.sessions import (
    Client,
    SessionNotFound,
    SessionService,
    SessionStarter,
)
from app.services.accounts.sign_in import SignIn, SignInChanges
from app.services.accounts.users import UserDirectory, UserService
from app.services.mail.outbox import Outbox
from app.state import AppState

CurrentUser = Annotated[Principal, caller_with("account:read")]
AccountHolder = Annotated[Principal, caller_with("account:write")]
FactorHolder = Annotated[Principal, caller_with("account:write", factor=True)]
FreshAccountHolder = Annotated[Principal, caller_with("account:write", fresh=True)]
UserReader = Annotated[Principal, caller_with("users:read")]
UserAdmin = Annotated[Principal, caller_with("users:write", fresh=True)]
# Identifies who logs out: a refresh token, the caller of an access token, or None for
# an unknown client.
Leaver = str | Principal | None


def login_throttle(state: AppState) -> LoginThrottle:
    return LoginThrottle(state.hasher, state.limiter, state.policies, state.ring)


def factor_throttle(state: AppState) -> FactorThrottle:
    return FactorThrottle(state.limiter, state.policies)


class Accounts:
    """The services of accounts, which share the transaction of one request."""

    def __init__(self, session: AsyncSession, state: AppState) -> None:
        settings, read = state.settings, state.database.read
        self.session = session
        self.outbox = outbox = Outbox(session, state.mail_waits.set)
        links = OneTimeLinks(session, read, outbox, settings.public_base_url)
        quota = MailQuota(state.limiter, state.policies)
        new_passwords = NewPasswords(
            settings,
            state.hasher,
            state.single(breached_passwords.look_up),
        )
        refresh_tokens = RefreshTokens(state.ring)
        starter = SessionStarter(session, settings, state.access_tokens, refresh_tokens)
        throttle = state.single(login_throttle)
        must_verify = settings.registration == "verified"
        self.users = users = UserService(session, outbox, must_verify=must_verify)
        devices = DeviceTokens(state.ring)
        self.factors = SecondFactors(
            session,
            [build(session, state, outbox) for build in SECOND_FACTORS],
            state.single(factor_throttle),
        )
        pending = PendingLogins(session, read)
        self.sign_in = SignIn(starter, pending, self.factors, devices)
        self.auth = auth = AuthService(
            session, read, throttle, devices, starter, self.sign_in, users
        )
        self.recovery_codes = RecoveryCodes(session, outbox)
        self.changes = SignInChanges(session, outbox)
        self.mfa = MfaService(
            session, outbox, users, self.factors, self.recovery_codes, self.changes
        )
        self.sessions = SessionService(session, read, state.cursors)
        self.refreshing = RefreshService(
            session, read, settings, refresh_tokens, starter, outbox
        )
        self.registration = AccountService(
            session, settings, new_passwords, links, outbox, users, quota
        )
        self.passwords = PasswordService(
            session, read, new_passwords, links, outbox, quota, auth
        )
        self.email_addresses = EmailAddressService(
            session, read, links, outbox, quota, auth
        )

    async def log_out(self, leaver: Leaver) -> None:
        if isinstance(leaver, str):
            await self.refreshing.logout(leaver)
        elif leaver is not None:
            with suppress(SessionNotFound):  # another request has just ended it
                await self.sessions.end(leaver, leaver.session_id)

    async def revoke_leaked(self, token: str) -> None:
        """Revoke a refresh token or another bearer token. Ignore any other text."""
        await self.refreshing.logout(token, "leaked")
        for prefix, kind in BEARERS.items():
            if token.startswith(prefix):
                await kind.revoke(self.session, self.outbox, token)


async def get_accounts(session: SessionDep, state: StateDep) -> Accounts:
    return Accounts(session, state)


async def find_leaver(
    request: Request,
    state: StateDep,
    token: Annotated[str | None, Depends(find_refresh_token)],
) -> Leaver:
    """Return the refresh token. Without one, find the caller by the access token."""
    bearer = await get_caller.read(request) if token is None else None
    if bearer is not None:
        with suppress(InvalidAccessToken):
            caller = await state.authenticator.authenticate(bearer.credentials)
            return caller if caller.credential == "session" else None
    return token


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
LeaverDep = Annotated[Leaver, Depends(find_leaver)]
ClientDep = Annotated[Client, Depends(get_client)]
UserDirectoryDep = Annotated[UserDirectory, Depends(get_user_directory)]
