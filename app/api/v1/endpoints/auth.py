from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import Header, Query, Response

from app.api.accounts import (
    AccountHolder,
    AccountsDep,
    ClientDep,
    CurrentUser,
    FreshAccountHolder,
    LeaverDep,
)
from app.api.authorization import public
from app.api.errors import documented
from app.api.rate_limits import limited
from app.api.refresh_tokens import RefreshTokenDep
from app.api.routes import api_router
from app.core.passwords.policy import WeakPassword
from app.core.tokens.cursor import CursorInvalid
from app.core.tokens.refresh import RefreshTokenInvalid
from app.db.models.user import User
from app.schemas.auth import (
    CheckEmail,
    Credentials,
    LeakedToken,
    Revoked,
    SessionRead,
    TokenPair,
)
from app.schemas.page import Page, PageParameters
from app.schemas.second_factor import (
    Reauthentication,
    SecondFactorRequired,
    SecondStep,
)
from app.schemas.user import UserRead, UserRegister
from app.services.accounts.guesses import TooManyFailures
from app.services.accounts.login import InvalidCredentials
from app.services.accounts.pending_logins import MfaFailed
from app.services.accounts.principal import SessionRequired
from app.services.accounts.registration import RegistrationClosed
from app.services.accounts.sessions import SessionNotFound
from app.services.accounts.users import EmailTaken
from app.services.listing import RowPage

router = api_router(
    "/auth",
    tags=["auth"],
    about="Registration, login and sessions, passwords and e-mail addresses.",
)

DEVICE_TOKEN = {
    "X-Device-Token": {
        "description": "Send this token with the next login on this device.",
        "schema": {"type": "string"},
    }
}


@router.post(
    "/register",
    status_code=HTTPStatus.CREATED,
    response_model=UserRead | CheckEmail,
    responses={
        HTTPStatus.CREATED: {"model": UserRead},
        HTTPStatus.ACCEPTED: {
            "model": CheckEmail,
            "description": "The answer if REGISTRATION is `verified`. It is the same "
            "for a known address and for a new one.",
        },
        **documented(EmailTaken, RegistrationClosed, WeakPassword),
    },
    openapi_extra=public("The caller has no account yet."),
)
@limited("register")
async def register(
    accounts: AccountsDep, client: ClientDep, data: UserRegister, response: Response
) -> User | CheckEmail:
    """Create an account. A mail asks its owner to confirm the address."""
    user = await accounts.registration.register(data, client)
    if user is None:
        response.status_code = HTTPStatus.ACCEPTED
    return user or CheckEmail()


@router.post(
    "/login",
    responses={HTTPStatus.OK: {"headers": DEVICE_TOKEN}}
    | documented(InvalidCredentials),
    openapi_extra=public("The caller has no token yet."),
)
@limited("login")
async def login(
    accounts: AccountsDep,
    client: ClientDep,
    response: Response,
    credentials: Credentials,
    x_device_token: Annotated[
        str | None,
        Header(
            max_length=256,
            description="The `X-Device-Token` that the last login on this "
            "device returned.",
        ),
    ] = None,
) -> TokenPair | SecondFactorRequired:
    """Log in and start a session.

    The answer is the same for an unknown address and for a wrong password. If the
    account has a second factor, the answer to the right password has the status
    `mfa_required` and a token for `POST /auth/login/mfa`. An account has at most 20
    sessions: a further login ends the least recently used one. Store the
    `X-Device-Token` header of the answer and send it with your next login. Wrong
    passwords that others send for your account then do not block you.
    """
    answer, device_token = await accounts.auth.login(
        credentials, client, x_device_token
    )
    if device_token is not None:
        response.headers["X-Device-Token"] = device_token
    return answer


@router.post(
    "/login/mfa",
    responses={HTTPStatus.OK: {"headers": DEVICE_TOKEN}}
    | documented(MfaFailed, TooManyFailures),
    openapi_extra=public("The `mfa_token` is the credential."),
)
@limited("login")
async def login_with_factor(
    accounts: AccountsDep, client: ClientDep, response: Response, answer: SecondStep
) -> TokenPair:
    """Complete a login with a second factor.

    A code works once. Store the `X-Device-Token` header of the answer, as after a login
    without a second factor.
    """
    tokens, device_token = await accounts.sign_in.complete_with_factor(answer, client)
    response.headers["X-Device-Token"] = device_token
    return tokens


@router.post(
    "/refresh",
    responses=documented(RefreshTokenInvalid),
    openapi_extra=public("The refresh token is the credential."),
)
@limited("refresh")
async def refresh(
    accounts: AccountsDep, client: ClientDep, token: RefreshTokenDep
) -> TokenPair:
    """Exchange a refresh token for a new pair of tokens.

    A client that lost the answer can send the same token again within
    `REFRESH_LEEWAY_SECONDS` and gets the same new tokens. The session ends if the old
    token arrives after that time, or after a new token has been used, because the old
    token may be stolen.
    """
    return await accounts.refreshing.refresh(token, client)


@router.post(
    "/reauthenticate",
    responses=documented(InvalidCredentials, MfaFailed, TooManyFailures),
)
async def reauthenticate(
    user: AccountHolder,
    accounts: AccountsDep,
    client: ClientDep,
    data: Reauthentication,
) -> TokenPair:
    """Give your password or a second factor again.

    A new session replaces the current one and counts as fresh. The new session keeps
    the level of the old one: after a login with a second factor it has `aal2`, even if
    you now give only the password.
    """
    return await accounts.auth.reauthenticate(user, data, client)


@router.post(
    "/logout",
    status_code=HTTPStatus.NO_CONTENT,
    openapi_extra=public("The refresh token or the access token is the credential."),
)
async def logout(accounts: AccountsDep, leaver: LeaverDep) -> None:
    """End the session of a refresh token.

    If the request has no refresh token, the session of the access token ends. The
    answer is the same if the token is unknown or missing.
    """
    await accounts.log_out(leaver)


@router.post(
    "/revoke", openapi_extra=public("The token that leaked is the credential.")
)
async def revoke(accounts: AccountsDep, data: LeakedToken) -> Revoked:
    """Revoke a token that you have found, for example in a public repository.

    If it is a refresh token, its session ends. The answer is the same for every text,
    so that it does not show whether the token was valid.
    """
    await accounts.revoke_leaked(data.token)
    return Revoked()


@router.post("/logout-all", status_code=HTTPStatus.NO_CONTENT)
async def logout_all(
    user: FreshAccountHolder,
    accounts: AccountsDep,
    keep_current: Annotated[
        bool, Query(description="Do not end the session of this request.")
    ] = False,
) -> None:
    """End all your sessions, also this one unless `keep_current` is true."""
    await accounts.sessions.end_all(user, keep_current=keep_current)


@router.get(
    "/sessions",
    response_model=Page[SessionRead],
    responses=documented(CursorInvalid, SessionRequired),
)
async def list_sessions(
    user: CurrentUser,
    accounts: AccountsDep,
    query: Annotated[PageParameters, Query()],
) -> RowPage:
    """List your sessions, newest first."""
    return await accounts.sessions.page(user.user_id, query, user.session_id)


@router.delete(
    "/sessions/{session_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=documented(SessionNotFound),
)
async def end_session(
    user: FreshAccountHolder, accounts: AccountsDep, session_id: UUID
) -> None:
    """End one of your sessions."""
    await accounts.sessions.end(user, session_id)
