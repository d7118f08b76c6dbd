from http import HTTPStatus

from app.api.accounts import AccountHolder, ClientDep, PasswordServiceDep
from app.api.authentication import InsufficientScope
from app.api.authorization import public
from app.api.errors import documented
from app.api.rate_limits import limited
from app.api.routes import api_router
from app.core.errors import TooManyRequests, Unauthorized
from app.core.passwords.policy import WeakPassword
from app.schemas.auth import (
    CheckEmail,
    EmailAddress,
    PasswordChange,
    PasswordReset,
    TokenPair,
)
from app.services.accounts.login import InvalidCredentials
from app.services.accounts.one_time_links import TokenInvalid

router = api_router("/auth/password", tags=["auth"])


@router.post(
    "/change",
    responses=documented(
        Unauthorized,
        InvalidCredentials,
        InsufficientScope,
        WeakPassword,
        TooManyRequests,
    ),
)
async def change_password(
    user: AccountHolder,
    passwords: PasswordServiceDep,
    client: ClientDep,
    data: PasswordChange,
) -> TokenPair:
    """Choose another password; every session ends, the answer starts a new one."""
    return await passwords.change(user, data, client)


@router.post(
    "/forgot",
    status_code=HTTPStatus.ACCEPTED,
    responses=documented(TooManyRequests),
    openapi_extra=public("Who forgot the password has no token."),
)
@limited("mail_client")
async def forgot_password(
    passwords: PasswordServiceDep, data: EmailAddress
) -> CheckEmail:
    """Have a link mailed to the address; the answer is the same for any address."""
    await passwords.forget(data.email)
    return CheckEmail()


@router.post(
    "/reset",
    status_code=HTTPStatus.NO_CONTENT,
    responses=documented(TokenInvalid, WeakPassword),
    openapi_extra=public("The mailed token is the credential."),
)
async def reset_password(passwords: PasswordServiceDep, data: PasswordReset) -> None:
    """Choose a password with a mailed token; every session ends, none begins."""
    await passwords.reset(data)
