from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import Header, Query, Response

from app.api.accounts import (
    AccountHolder,
    AccountServiceDep,
    AuthServiceDep,
    ClientDep,
    CurrentUser,
    FreshAccountHolder,
    RefreshServiceDep,
    SessionServiceDep,
)
from app.api.authentication import InsufficientScope
from app.api.authorization import public
from app.api.errors import documented
from app.api.rate_limits import limited
from app.api.routes import api_router
from app.core.errors import TooManyRequests, Unauthorized
from app.core.tokens.cursor import CursorInvalid
from app.core.tokens.refresh import RefreshTokenInvalid
from app.db.models.user import User
from app.schemas.auth import (
    CheckEmail,
    Credentials,
    Reauthentication,
    RefreshRequest,
    SessionRead,
    TokenPair,
)
from app.schemas.page import Page, PageParameters
from app.schemas.user import UserRead, UserRegister
from app.services.accounts.login import InvalidCredentials
from app.services.accounts.login_throttle import TooManyFailures
from app.services.accounts.principal import ReauthenticationRequired
from app.services.accounts.registration import RegistrationClosed
from app.services.accounts.sessions import SessionNotFound
from app.services.accounts.users import EmailTaken
from app.services.listing import RowPage

router = api_router("/auth", tags=["auth"])

CHANGING_SESSIONS = documented(
    Unauthorized, ReauthenticationRequired, InsufficientScope
)


@router.post(
    "/register",
    status_code=HTTPStatus.CREATED,
    response_model=UserRead | CheckEmail,
    responses={
        HTTPStatus.CREATED: {"model": UserRead},
        HTTPStatus.ACCEPTED: {
            "model": CheckEmail,
            "description": "Where REGISTRATION is `verified`, known address or not.",
        },
        **documented(EmailTaken, RegistrationClosed, TooManyRequests),
    },
    openapi_extra=public("This is how one gets an account."),
)
@limited("register")
async def register(
    accounts: AccountServiceDep, data: UserRegister, response: Response
) -> User | CheckEmail:
    """Create an account; a mail asks to confirm its address."""
    user = await accounts.register(data)
    if user is None:
        response.status_code = HTTPStatus.ACCEPTED
    return user or CheckEmail()


@router.post(
    "/login",
    responses=documented(InvalidCredentials, TooManyRequests),
    openapi_extra=public("This is how one gets a token."),
)
@limited("login")
async def login(
    auth: AuthServiceDep,
    client: ClientDep,
    response: Response,
    credentials: Credentials,
    x_device_token: Annotated[
        str | None,
        Header(max_length=256, description="As the last login here answered."),
    ] = None,
) -> TokenPair:
    """Start a session; the answer never tells an unknown address from a password.

    Of more than 20 sessions the least recently used one ends. Keep the
    `X-Device-Token` of the answer and send it with the next login: failures of
    others then do not count against you.
    """
    tokens, device_token = await auth.login(credentials, client, x_device_token)
    response.headers["X-Device-Token"] = device_token
    return tokens


@router.post(
    "/refresh",
    responses=documented(RefreshTokenInvalid, TooManyRequests),
    openapi_extra=public("The refresh token is the credential."),
)
@limited("refresh")
async def refresh(
    sessions: RefreshServiceDep, client: ClientDep, data: RefreshRequest
) -> TokenPair:
    """Exchange a refresh token for a new pair.

    Using one again within `REFRESH_LEEWAY_SECONDS` gives the same successor, for
    clients whose answer was lost. Later, or once the successor has been used, it
    ends the session: somebody else holds the token too.
    """
    return await sessions.refresh(data.refresh_token, client)


@router.post(
    "/reauthenticate",
    responses=documented(
        Unauthorized, InsufficientScope, InvalidCredentials, TooManyFailures
    ),
)
async def reauthenticate(
    user: AccountHolder,
    auth: AuthServiceDep,
    client: ClientDep,
    data: Reauthentication,
) -> TokenPair:
    """Replace your session by one for which the password has just been given."""
    return await auth.reauthenticate(user, data.password, client)


@router.post(
    "/logout",
    status_code=HTTPStatus.NO_CONTENT,
    openapi_extra=public("The refresh token is the credential."),
)
async def logout(sessions: RefreshServiceDep, data: RefreshRequest) -> None:
    """End the session of a refresh token; any other token is accepted, too."""
    await sessions.logout(data.refresh_token)


@router.post(
    "/logout-all", status_code=HTTPStatus.NO_CONTENT, responses=CHANGING_SESSIONS
)
async def logout_all(
    user: FreshAccountHolder,
    sessions: SessionServiceDep,
    keep_current: Annotated[
        bool, Query(description="Spare the session that asks.")
    ] = False,
) -> None:
    """End every session of yours, this one included."""
    await sessions.end_all(user, keep_current=keep_current)


@router.get(
    "/sessions",
    response_model=Page[SessionRead],
    responses=documented(Unauthorized, InsufficientScope, CursorInvalid),
)
async def list_sessions(
    user: CurrentUser,
    sessions: SessionServiceDep,
    query: Annotated[PageParameters, Query()],
) -> RowPage:
    """List where you are logged in, newest first."""
    return await sessions.page(user, query)


@router.delete(
    "/sessions/{session_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=CHANGING_SESSIONS | documented(SessionNotFound),
)
async def end_session(
    user: FreshAccountHolder, sessions: SessionServiceDep, session_id: UUID
) -> None:
    """End one session of yours."""
    await sessions.end(user, session_id)
