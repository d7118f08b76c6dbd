from http import HTTPStatus

from fastapi import APIRouter, Response

from app.api.access import public
from app.api.dependencies import (
    AccountHolder,
    AccountServiceDep,
    AuthServiceDep,
    ClientDep,
)
from app.api.errors import documented
from app.api.limits import limited
from app.api.strict_json import StrictJSONRoute
from app.core.errors import TooManyRequests, Unauthorized
from app.core.refresh_tokens import RefreshTokenInvalid
from app.db.models import User
from app.schemas.auth import CheckEmail, Credentials, RefreshRequest, TokenPair
from app.schemas.user import UserRead, UserRegister
from app.services.accounts import RegistrationClosed
from app.services.auth import InvalidCredentials
from app.services.users import EmailTaken

router = APIRouter(prefix="/auth", tags=["auth"], route_class=StrictJSONRoute)


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
    dependencies=[limited("register")],
    openapi_extra=public("This is how one gets an account."),
)
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
    dependencies=[limited("login")],
    openapi_extra=public("This is how one gets a token."),
)
async def login(
    auth: AuthServiceDep, client: ClientDep, credentials: Credentials
) -> TokenPair:
    """Start a session; the answer never tells an unknown address from a password."""
    return await auth.login(credentials, client)


@router.post(
    "/refresh",
    responses=documented(RefreshTokenInvalid, TooManyRequests),
    dependencies=[limited("refresh")],
    openapi_extra=public("The refresh token is the credential."),
)
async def refresh(
    auth: AuthServiceDep, client: ClientDep, data: RefreshRequest
) -> TokenPair:
    """Exchange a refresh token for a new pair.

    Using one again within `REFRESH_LEEWAY_SECONDS` gives the same successor, for
    clients whose answer was lost. Later, or once the successor has been used, it
    ends the session: somebody else holds the token too.
    """
    return await auth.refresh(data.refresh_token, client)


@router.post(
    "/logout",
    status_code=HTTPStatus.NO_CONTENT,
    openapi_extra=public("The refresh token is the credential."),
)
async def logout(auth: AuthServiceDep, data: RefreshRequest) -> None:
    """End the session of a refresh token; any other token is accepted, too."""
    await auth.logout(data.refresh_token)


@router.post(
    "/logout-all",
    status_code=HTTPStatus.NO_CONTENT,
    responses=documented(Unauthorized),
)
async def logout_all(user: AccountHolder, auth: AuthServiceDep) -> None:
    """End every session of yours, this one included."""
    await auth.logout_all(user.user_id)
