from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query

from app.api.authentication import caller_with
from app.api.dependencies import SessionDep, StateDep
from app.api.errors import documented
from app.api.routes import api_router
from app.core.tokens.cursor import CursorInvalid
from app.schemas.api_key import ApiKeyCreate, ApiKeyCreated, ApiKeyRead, ApiKeyRotate
from app.schemas.page import Page, PageParameters
from app.services.accounts.principal import Principal
from app.services.api_keys.keys import ApiKeyService, owner_of
from app.services.api_keys.rules import (
    ApiKeyNotFound,
    ApiKeyScopeRefused,
    ApiKeyTooLong,
    TooManyApiKeys,
)
from app.services.listing import RowPage
from app.services.mail.outbox import Outbox

router = api_router(
    "/api-keys",
    tags=["api keys"],
    about="Keys with which programs act for you.",
)

KeyReader = Annotated[Principal, caller_with("account:read")]
KeyOwner = Annotated[Principal, caller_with("account:write", fresh=True)]
# A program with a key never gives a second factor, so the owner must give one first.
KeyMaker = Annotated[Principal, caller_with("account:write", factor=True)]
MADE = documented(ApiKeyScopeRefused, ApiKeyTooLong, TooManyApiKeys)


async def get_api_keys(session: SessionDep, state: StateDep) -> ApiKeyService:
    outbox = Outbox(session, state.mail_waits.set)
    max_days = state.settings.api_key_max_days
    return ApiKeyService(session, state.database.read, state.cursors, outbox, max_days)


ApiKeysDep = Annotated[ApiKeyService, Depends(get_api_keys)]


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=ApiKeyCreated,
    responses=MADE,
)
async def create_api_key(
    owner: KeyMaker,
    keys: ApiKeysDep,
    data: ApiKeyCreate,
) -> dict[str, Any]:
    """Make an API key. Only this answer contains its secret.

    The key can do what its scopes and your present role both allow. It never has
    `account:write`, and it cannot call operations that need a fresh session.
    """
    return await keys.create(owner, data)


@router.get("", response_model=Page[ApiKeyRead], responses=documented(CursorInvalid))
async def list_api_keys(
    owner: KeyReader, keys: ApiKeysDep, query: Annotated[PageParameters, Query()]
) -> RowPage:
    """List your API keys that are neither revoked nor expired, newest first."""
    return await keys.page(owner.user_id, query)


@router.get(
    "/{api_key_id}", response_model=ApiKeyRead, responses=documented(ApiKeyNotFound)
)
async def read_api_key(owner: KeyReader, keys: ApiKeysDep, api_key_id: UUID) -> Any:
    """Read one of your API keys."""
    return await keys.get(owner.user_id, api_key_id)


@router.delete(
    "/{api_key_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=documented(ApiKeyNotFound),
)
async def revoke_api_key(owner: KeyOwner, keys: ApiKeysDep, api_key_id: UUID) -> None:
    """Revoke one of your API keys. The service refuses every later request with it."""
    await keys.revoke(owner_of(owner), api_key_id)


@router.post(
    "/{api_key_id}/rotate",
    status_code=HTTPStatus.CREATED,
    response_model=ApiKeyCreated,
    responses=documented(ApiKeyNotFound) | MADE,
)
async def rotate_api_key(
    owner: KeyMaker,
    keys: ApiKeysDep,
    api_key_id: UUID,
    data: ApiKeyRotate,
) -> dict[str, Any]:
    """Replace an API key by a new one with the same name, scopes and networks.

    The old key ends after `overlap_seconds`, by default immediately. Until then you can
    give the new key to all programs.
    """
    return await keys.rotate(owner, api_key_id, data)
