from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends

from app.api.accounts import (
    AccountHolder,
    Accounts,
    AccountsDep,
    ClientDep,
    CurrentUser,
    FactorHolder,
)
from app.api.authorization import public
from app.api.dependencies import StateDep
from app.api.errors import documented
from app.api.rate_limits import limited
from app.api.routes import api_router
from app.db.models.passkey import Passkey
from app.schemas.auth import TokenPair
from app.schemas.passkey import (
    PasskeyCreate,
    PasskeyCreated,
    PasskeyCreationOptions,
    PasskeyList,
    PasskeyLogin,
    PasskeyRead,
    PasskeyRequestOptions,
    PasskeyUpdate,
)
from app.schemas.second_factor import WaitingLogin
from app.services.accounts.pending_logins import MfaFailed
from app.services.passkeys.factor import PasskeyChallenger, make
from app.services.passkeys.login import PasskeyLoginService, PasskeyRefused
from app.services.passkeys.own import OwnPasskeys, PasskeyNotFound
from app.services.passkeys.registration import (
    PasskeyExists,
    PasskeyInvalid,
    PasskeyRegistration,
    TooManyPasskeys,
)
from app.state import AppState


class Passkeys:
    """The services of passkeys, which share the transaction of one request."""

    def __init__(self, accounts: Accounts, state: AppState) -> None:
        session, factors = accounts.session, accounts.factors
        assertions = make(session, state.database, state.settings).assertions
        self.own = OwnPasskeys(session, assertions.read, factors, accounts.changes)
        self.registration = PasskeyRegistration(
            session,
            assertions.verifier,
            factors,
            accounts.recovery_codes,
            accounts.changes,
            state.settings.app_name,
        )
        sampling = state.policies["denied-event"]
        self.login = PasskeyLoginService(
            assertions, accounts.auth, state.limiter, sampling
        )
        self.challenger = PasskeyChallenger(assertions, accounts.sign_in.pending)


async def get_passkeys(accounts: AccountsDep, state: StateDep) -> Passkeys:
    return Passkeys(accounts, state)


PasskeysDep = Annotated[Passkeys, Depends(get_passkeys)]

router = api_router(
    "/auth/passkeys",
    tags=["passkeys"],
    about="Passkeys (WebAuthn): sign in with a fingerprint, a face or a PIN.",
)


@router.post("/login/options", openapi_extra=public("The caller has no token yet."))
@limited("login")
async def start_passkey_login(passkeys: PasskeysDep) -> PasskeyRequestOptions:
    """Get the options for `navigator.credentials.get()`.

    The options are the same for everyone, except for the challenge. The challenge is
    valid for five minutes and for one login.
    """
    return await passkeys.login.options()


@router.post(
    "/login",
    responses=documented(PasskeyRefused),
    openapi_extra=public("The caller has no token yet."),
)
@limited("login")
async def log_in_with_passkey(
    passkeys: PasskeysDep, client: ClientDep, data: PasskeyLogin
) -> TokenPair:
    """Log in with a passkey. The answer is the same for every refusal.

    A passkey counts as two factors: the device, and what unlocks the device.
    """
    return await passkeys.login.login(data.credential, client)


@router.post(
    "/mfa/options",
    responses=documented(MfaFailed),
    openapi_extra=public("The `mfa_token` is the credential."),
)
@limited("login")
async def start_passkey_second_step(
    passkeys: PasskeysDep, data: WaitingLogin
) -> PasskeyRequestOptions:
    """Get the options for a passkey as the second factor of a login.

    Send the credential as `passkey` to `/auth/login/mfa`, with the same `mfa_token`.
    """
    return await passkeys.challenger.finish_login(data.mfa_token)


@router.post("/reauthenticate/options")
async def start_passkey_confirmation(
    user: AccountHolder, passkeys: PasskeysDep
) -> PasskeyRequestOptions:
    """Get the options for a passkey that confirms who you are.

    Send the credential as `passkey` to `/auth/reauthenticate`, in the same session.
    """
    return await passkeys.challenger.confirm(user)


@router.post("/options", responses=documented(TooManyPasskeys))
async def start_passkey_registration(
    user: FactorHolder, passkeys: PasskeysDep
) -> PasskeyCreationOptions:
    """Get the options for `navigator.credentials.create()`.

    The challenge is valid for five minutes, for one passkey, and only in this session.
    """
    return await passkeys.registration.options(user)


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    responses=documented(PasskeyInvalid, PasskeyExists, TooManyPasskeys),
)
async def register_passkey(
    user: FactorHolder, passkeys: PasskeysDep, data: PasskeyCreate
) -> PasskeyCreated:
    """Add a passkey to your account. Your other sessions end.

    Afterwards, a login with the password also needs a second factor, such as this
    passkey. If you have no recovery codes yet, the answer contains ten. Store them
    safely.
    """
    return await passkeys.registration.register(user, data)


@router.get("", response_model=PasskeyList)
async def list_passkeys(
    user: CurrentUser, passkeys: PasskeysDep
) -> dict[str, Sequence[Any]]:
    """List your passkeys, oldest first. An account has at most 20."""
    return {"items": await passkeys.own.list(user)}


@router.patch(
    "/{passkey_id}",
    response_model=PasskeyRead,
    responses=documented(PasskeyNotFound),
)
async def rename_passkey(
    user: FactorHolder,
    passkeys: PasskeysDep,
    passkey_id: UUID,
    data: PasskeyUpdate,
) -> Passkey:
    """Rename one of your passkeys."""
    return await passkeys.own.rename(user, passkey_id, data.name)


@router.delete(
    "/{passkey_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=documented(PasskeyNotFound),
)
async def remove_passkey(
    user: FactorHolder, passkeys: PasskeysDep, passkey_id: UUID
) -> None:
    """Remove one of your passkeys. Your other sessions end.

    If you have no other second factor, your recovery codes are deleted, too.
    """
    await passkeys.own.remove(user, passkey_id)
