from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query

from app.api.accounts import AccountsDep, ClientDep, CurrentUser, FactorHolder
from app.api.authorization import public
from app.api.dependencies import StateDep
from app.api.errors import documented
from app.api.rate_limits import limited
from app.api.routes import api_router
from app.core.settings.external_identities import NAME
from app.core.tokens.cursor import CursorInvalid
from app.db.models.external_identity import ExternalIdentity
from app.schemas.auth import TokenPair
from app.schemas.external_identity import (
    ExternalIdentityRead,
    ExternalSignInFinish,
    ExternalSignInStarted,
    ProviderList,
    ProviderRead,
)
from app.schemas.page import Page, PageParameters
from app.schemas.second_factor import SecondFactorRequired
from app.services.accounts.external_identities.attempts import SignInExpired
from app.services.accounts.external_identities.linking import (
    EmailUnverified,
    ExternalIdentities,
    IdentityNotFound,
    IdentityTaken,
    LastWayToSignIn,
)
from app.services.accounts.external_identities.providers import (
    ProviderAnswerInvalid,
    ProviderNotFound,
    Providers,
    ProviderUnavailable,
    make_providers,
)
from app.services.accounts.external_identities.signing_in import (
    ExternalSignIns,
    IdentityUnknown,
)
from app.services.listing import RowPage
from app.state import AppState

router = api_router("/auth", tags=["auth"])

ProviderName = Annotated[str, Path(pattern=NAME, max_length=31)]

STARTS = documented(ProviderNotFound, ProviderUnavailable)
FINISHES = (ProviderAnswerInvalid, ProviderNotFound, ProviderUnavailable, SignInExpired)


def providers_of(state: AppState) -> Providers:
    settings = state.settings
    local = settings.environment == "development"
    return make_providers(settings.providers, settings, local=local)


async def get_identities(state: StateDep, accounts: AccountsDep) -> ExternalIdentities:
    sign_ins = ExternalSignIns(
        accounts.session,
        state.database,
        state.settings,
        state.single(providers_of),
        accounts.sign_in,
        accounts.changes,
        accounts.users,
    )
    return ExternalIdentities(state.database.read, state.cursors, sign_ins)


IdentitiesDep = Annotated[ExternalIdentities, Depends(get_identities)]


@router.get(
    "/providers", openapi_extra=public("A visitor chooses with whom to sign in.")
)
async def list_providers(state: StateDep) -> ProviderList:
    """List the providers with which users can sign in."""
    providers = [client.provider for client in state.single(providers_of).values()]
    return ProviderList(items=[ProviderRead.model_validate(each) for each in providers])


@router.post(
    "/providers/{provider}/start",
    responses=STARTS,
    openapi_extra=public("The caller has no token yet."),
)
@limited("login")
async def start_external_sign_in(
    identities: IdentitiesDep, provider: ProviderName
) -> ExternalSignInStarted:
    """Begin a sign-in with a provider.

    Keep `transaction` in the browser, and send the browser to `authorization_url`. The
    provider then sends the browser to the redirect URI with `code` and `state`. Send
    these two and the transaction to `finish`, within ten minutes.
    """
    return await identities.sign_ins.start(provider)


@router.post(
    "/providers/{provider}/finish",
    responses=documented(*FINISHES, IdentityUnknown),
    openapi_extra=public("The code of the provider is the credential."),
)
@limited("login")
async def finish_external_sign_in(
    identities: IdentitiesDep,
    client: ClientDep,
    provider: ProviderName,
    data: ExternalSignInFinish,
) -> TokenPair | SecondFactorRequired:
    """Sign in with the code of the provider, and start a session.

    A new identity is linked to the account with the same e-mail address, if both the
    provider and this service have verified the address. Without such an account the
    service creates one, unless REGISTRATION is `closed`. In every other case the answer
    is the same 401. If the account has a second factor, the answer asks for this
    factor, as the answer to a login does.
    """
    return await identities.sign_ins.finish(provider, data, client)


@router.get(
    "/identities",
    response_model=Page[ExternalIdentityRead],
    responses=documented(CursorInvalid),
)
async def list_external_identities(
    user: CurrentUser,
    identities: IdentitiesDep,
    query: Annotated[PageParameters, Query()],
) -> RowPage:
    """List the identities with which you can sign in, newest first."""
    return await identities.page(user.user_id, query)


@router.post("/identities/{provider}/start", responses=STARTS)
@limited("login")
async def start_linking_identity(
    user: FactorHolder, identities: IdentitiesDep, provider: ProviderName
) -> ExternalSignInStarted:
    """Begin to link an identity to your account. The steps are those of a sign-in."""
    return await identities.sign_ins.start(provider, user.user_id)


@router.post(
    "/identities/{provider}/finish",
    status_code=HTTPStatus.CREATED,
    response_model=ExternalIdentityRead,
    responses=documented(*FINISHES, EmailUnverified, IdentityTaken),
)
@limited("login")
async def finish_linking_identity(
    user: FactorHolder,
    identities: IdentitiesDep,
    provider: ProviderName,
    data: ExternalSignInFinish,
) -> ExternalIdentity:
    """Link the identity to your account. Your other sessions end."""
    return await identities.finish(user, provider, data)


@router.delete(
    "/identities/{identity_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=documented(IdentityNotFound, LastWayToSignIn),
)
async def remove_external_identity(
    user: FactorHolder, identities: IdentitiesDep, identity_id: UUID
) -> None:
    """Remove an identity from your account. Your other sessions end."""
    await identities.remove(user, identity_id)
