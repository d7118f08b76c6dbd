from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends

from app.api.accounts import (
    AccountsDep,
    ClientDep,
    CurrentUser,
    FactorHolder,
)
from app.api.authorization import public
from app.api.dependencies import SessionDep, StateDep
from app.api.errors import documented
from app.api.idempotency import Idempotent
from app.api.rate_limits import limited
from app.api.routes import api_router
from app.db.models.passkey import Passkey
from app.schemas.auth import TokenPair
from app.schemas.passkey import (
    PasskeyCreate,
    PasskeyCreationOptions,
    PasskeyList,
    PasskeyLogin,
    PasskeyRead,
    PasskeyRequestOptions,
    PasskeyUpdate,
)
from app.services.passkeys.assertions import Assertions
from app.services.passkeys.challenges import Challenges
from app.services.passkeys.login import PasskeyLoginService, PasskeyRefused
from app.services.passkeys.own import OwnPasskeys, PasskeyNotFound
from app.services.passkeys.registration import (
    PasskeyExists,
    PasskeyInvalid,
    PasskeyRegistration,
    TooManyPasskeys,
)
from app.services.passkeys.verification import Verifier


async def get_own_passkeys(
    accounts: AccountsDep, session: SessionDep, state: StateDep
) -> OwnPasskeys:
    return OwnPasskeys(session, state.database.read, accounts.users, accounts.changes)


async def get_challenges(session: SessionDep) -> Challenges:
    return Challenges(session)


async def get_verifier(state: StateDep) -> Verifier:
    return Verifier(state.settings.passkey_rp_id, state.settings.passkey_origins)


ChallengesDep = Annotated[Challenges, Depends(get_challenges)]
VerifierDep = Annotated[Verifier, Depends(get_verifier)]


async def get_registration(
    accounts: AccountsDep,
    session: SessionDep,
    state: StateDep,
    challenges: ChallengesDep,
    verifier: VerifierDep,
) -> PasskeyRegistration:
    return PasskeyRegistration(
        session,
        challenges,
        verifier,
        accounts.users,
        accounts.changes,
        state.settings.app_name,
    )


async def get_login(
    accounts: AccountsDep,
    session: SessionDep,
    state: StateDep,
    challenges: ChallengesDep,
    verifier: VerifierDep,
) -> PasskeyLoginService:
    read, sampling = state.database.read, state.policies["denied-event"]
    assertions = Assertions(session, read, challenges, verifier, accounts.auth)
    return PasskeyLoginService(assertions, accounts.sign_in, state.limiter, sampling)


OwnPasskeysDep = Annotated[OwnPasskeys, Depends(get_own_passkeys)]
RegistrationDep = Annotated[PasskeyRegistration, Depends(get_registration)]
LoginDep = Annotated[PasskeyLoginService, Depends(get_login)]

router = api_router(
    "/auth/passkeys",
    tags=["passkeys"],
    about="Passkeys (WebAuthn): sign in with a fingerprint, a face or a PIN.",
)


@router.post("/login/options", openapi_extra=public("The caller has no token yet."))
@limited("login")
async def start_passkey_login(passkeys: LoginDep) -> PasskeyRequestOptions:
    """Get the options for `navigator.credentials.get()`.

    They are the same for everyone, except for the challenge. The challenge is valid for
    five minutes and for one login.
    """
    return await passkeys.options()


@router.post(
    "/login",
    responses=documented(PasskeyRefused),
    openapi_extra=public("The caller has no token yet."),
)
@limited("login")
async def log_in_with_passkey(
    passkeys: LoginDep, client: ClientDep, data: PasskeyLogin
) -> TokenPair:
    """Log in with a passkey. The answer is the same for every refusal.

    A passkey is two factors: the device, and what unlocks it.
    """
    return await passkeys.login(data.credential, client)


@router.post("/options", responses=documented(TooManyPasskeys))
async def start_passkey_registration(
    user: FactorHolder, passkeys: RegistrationDep
) -> PasskeyCreationOptions:
    """Get the options for `navigator.credentials.create()`.

    The challenge is valid for five minutes, for one passkey, and only in this session.
    """
    return await passkeys.options(user)


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=PasskeyRead,
    responses=documented(PasskeyInvalid, PasskeyExists, TooManyPasskeys),
)
async def register_passkey(
    user: FactorHolder,
    passkeys: RegistrationDep,
    data: PasskeyCreate,
    _once: Idempotent,
) -> Passkey:
    """Add a passkey to your account. Your other sessions end."""
    return await passkeys.register(user, data)


@router.get("", response_model=PasskeyList)
async def list_passkeys(
    user: CurrentUser, passkeys: OwnPasskeysDep
) -> dict[str, Sequence[Any]]:
    """List your passkeys, oldest first. An account has at most 20."""
    return {"items": await passkeys.list(user)}


@router.patch(
    "/{passkey_id}",
    response_model=PasskeyRead,
    responses=documented(PasskeyNotFound),
)
async def rename_passkey(
    user: FactorHolder,
    passkeys: OwnPasskeysDep,
    passkey_id: UUID,
    data: PasskeyUpdate,
) -> Passkey:
    """Rename one of your passkeys."""
    return await passkeys.rename(user, passkey_id, data.name)


@router.delete(
    "/{passkey_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=documented(PasskeyNotFound),
)
async def remove_passkey(
    user: FactorHolder, passkeys: OwnPasskeysDep, passkey_id: UUID
) -> None:
    """Remove one of your passkeys. Your other sessions end."""
    await passkeys.remove(user, passkey_id)
