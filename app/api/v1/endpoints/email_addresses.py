from http import HTTPStatus

from app.api.accounts import AccountHolder, AccountsDep, ClientDep
from app.api.authorization import public
from app.api.errors import documented
from app.api.routes import api_router
from app.schemas.auth import CheckEmail, EmailAddress, EmailChange, TokenProof
from app.services.accounts.login import InvalidCredentials
from app.services.accounts.one_time_links import TokenInvalid
from app.services.accounts.users import EmailTaken

router = api_router("/auth", tags=["auth"])


@router.post(
    "/verify-email",
    status_code=HTTPStatus.NO_CONTENT,
    responses=documented(TokenInvalid),
    openapi_extra=public("The mailed token is the credential."),
)
async def verify_email(accounts: AccountsDep, data: TokenProof) -> None:
    """Confirm the address of a new account with the token from the mail."""
    await accounts.email_addresses.verify(data.token)


@router.post(
    "/verify-email/resend",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra=public("The caller cannot log in before the address is confirmed."),
)
async def resend_verification(
    accounts: AccountsDep, client: ClientDep, data: EmailAddress
) -> CheckEmail:
    """Mail the link of `/auth/verify-email` again.

    The answer is the same for every address.
    """
    await accounts.email_addresses.resend(data.email, client)
    return CheckEmail()


@router.post(
    "/email/change",
    status_code=HTTPStatus.ACCEPTED,
    responses=documented(InvalidCredentials),
)
async def change_email(
    user: AccountHolder,
    accounts: AccountsDep,
    client: ClientDep,
    data: EmailChange,
) -> CheckEmail:
    """Mail a link to a new address.

    The token in the link moves the account to this address: see `/auth/email/confirm`.
    """
    await accounts.email_addresses.request_change(user, data, client)
    return CheckEmail()


@router.post(
    "/email/confirm",
    status_code=HTTPStatus.NO_CONTENT,
    responses=documented(TokenInvalid, EmailTaken),
    openapi_extra=public("The mailed token is the credential."),
)
async def confirm_email(accounts: AccountsDep, data: TokenProof) -> None:
    """Move the account to the address that received the token. All sessions end."""
    await accounts.email_addresses.confirm_change(data.token)
