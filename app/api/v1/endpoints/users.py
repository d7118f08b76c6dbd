from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response

from app.api.accounts import (
    AccountHolder,
    AccountsDep,
    CurrentUser,
    UserAdmin,
    UserDirectoryDep,
    UserReader,
)
from app.api.conditional_requests import (
    ConditionalGetDep,
    ExpectedVersionDep,
    TaggedDep,
)
from app.api.errors import documented
from app.api.idempotency import Idempotent
from app.api.routes import api_router
from app.core.passwords.policy import WeakPassword
from app.core.tokens.cursor import CursorInvalid
from app.db.models.user import User
from app.schemas.page import Page
from app.schemas.user import (
    AccountDelete,
    ProfileUpdate,
    UserCreate,
    UserQuery,
    UserRead,
    UserUpdate,
)
from app.services.accounts.guesses import TooManyFailures
from app.services.accounts.login import InvalidCredentials
from app.services.accounts.users import EmailTaken, LastAdmin, UserNotFound
from app.services.listing import RowPage

router = api_router(
    "/users",
    tags=["users"],
    about="Your own account, and for administrators all accounts.",
)


@router.get("/me", response_model=UserRead)
async def read_me(user: CurrentUser, conditional: ConditionalGetDep) -> Any:
    """Read your own account."""
    return conditional(user.user)


@router.patch("/me", response_model=UserRead)
async def update_me(
    user: AccountHolder,
    accounts: AccountsDep,
    expected: ExpectedVersionDep,
    tagged: TaggedDep,
    data: ProfileUpdate,
) -> User:
    """Change your account. A field that you leave out keeps its value."""
    return tagged(await accounts.users.update(user.user_id, data, expected))


@router.delete(
    "/me",
    status_code=HTTPStatus.NO_CONTENT,
    responses=documented(InvalidCredentials, LastAdmin, TooManyFailures),
)
async def delete_me(
    user: AccountHolder,
    accounts: AccountsDep,
    expected: ExpectedVersionDep,
    data: AccountDelete,
) -> None:
    """Delete your account and all its sessions. You cannot undo this."""
    await accounts.auth.delete_account(user, data.password, expected)


@router.get("", response_model=Page[UserRead], responses=documented(CursorInvalid))
async def list_users(
    _: UserReader, users: UserDirectoryDep, query: Annotated[UserQuery, Query()]
) -> RowPage:
    """List accounts, newest first."""
    return await users.page(query)


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=UserRead,
    responses=documented(EmailTaken, WeakPassword),
)
async def create_user(
    _: UserAdmin,
    _once: Idempotent,
    accounts: AccountsDep,
    request: Request,
    response: Response,
    tagged: TaggedDep,
    data: UserCreate,
) -> User:
    """Create an account for another person."""
    user = tagged(await accounts.registration.create(data))
    response.headers["Location"] = f"{request.url.path}/{user.id}"
    return user


@router.get("/{user_id}", response_model=UserRead, responses=documented(UserNotFound))
async def read_user(
    _: UserReader,
    users: UserDirectoryDep,
    conditional: ConditionalGetDep,
    user_id: UUID,
) -> Any:
    """Read an account."""
    return conditional(await users.get(user_id))


@router.patch(
    "/{user_id}", response_model=UserRead, responses=documented(UserNotFound, LastAdmin)
)
async def update_user(
    _: UserAdmin,
    accounts: AccountsDep,
    expected: ExpectedVersionDep,
    tagged: TaggedDep,
    user_id: UUID,
    data: UserUpdate,
) -> User:
    """Change an account. A field that you leave out keeps its value.

    If you deactivate an account, its sessions end.
    """
    return tagged(await accounts.users.update(user_id, data, expected))


@router.delete(
    "/{user_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=documented(UserNotFound, LastAdmin),
)
async def delete_user(
    _: UserAdmin, accounts: AccountsDep, expected: ExpectedVersionDep, user_id: UUID
) -> None:
    """Delete an account and all its sessions. You cannot undo this."""
    await accounts.users.delete(user_id, expected)


@router.delete(
    "/{user_id}/mfa",
    status_code=HTTPStatus.NO_CONTENT,
    responses=documented(UserNotFound),
)
async def reset_user_mfa(_: UserAdmin, accounts: AccountsDep, user_id: UUID) -> None:
    """Remove all second factors and recovery codes of a user who has lost them.

    The sessions of the user end, and the user gets a mail.
    """
    await accounts.mfa.reset(user_id)


@router.delete(
    "/{user_id}/sessions",
    status_code=HTTPStatus.NO_CONTENT,
    responses=documented(UserNotFound),
)
async def end_user_sessions(_: UserAdmin, accounts: AccountsDep, user_id: UUID) -> None:
    """End all sessions of a user. The user can log in again with the password."""
    await accounts.users.end_sessions(user_id)
