from http import HTTPStatus

from app.api.accounts import AccountHolder, AccountsDep, ClientDep
from app.api.authorization import public
from app.api.errors import documented
from app.api.routes import api_router
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


@router.post("/change", responses=documented(InvalidCredentials, WeakPassword))
async def change_password(
    user: AccountHolder,
    accounts: AccountsDep,
    client: ClientDep,
    data: PasswordChange,
) -> TokenPair:
    """Change your password. All sessions end, and the answer starts a new one."""
    return await accounts.passwords.change(user, data, client)


@router.post(
    "/forgot",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra=public("The caller has forgotten the password."),
)
async def forgot_password(
    accounts: AccountsDep, client: ClientDep, data: EmailAddress
) -> CheckEmail:
    """Mail a link that resets the password. The answer is always the same."""
    await accounts.passwords.forget(data.email, client)
    return CheckEmail()


@router.post(
    "/reset",
    status_code=HTTPStatus.NO_CONTENT,
    responses=documented(TokenInvalid, WeakPassword),
    openapi_extra=public("The mailed token is the credential."),
)
async def reset_password(accounts: AccountsDep, data: PasswordReset) -> None:
    """Set a password with the token from the mail. All sessions end."""
    await accounts.passwords.reset(data)
