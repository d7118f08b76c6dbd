"""Shared by the commands of accounts: the services, and how to find a user."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from app.cli.console import existing
from app.core.config import get_settings

if TYPE_CHECKING:
    from sqlalchemy import Row

    from app.api.accounts import Accounts
    from app.services.accounts.users import UserDirectory
    from app.state import AppState

PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from stdin.")
]


@asynccontextmanager
async def open_existing() -> "AsyncGenerator[AppState]":
    from app.state import open_state

    async with open_state(existing(get_settings())) as state:
        yield state


@asynccontextmanager
async def changing(state: "AppState") -> "AsyncGenerator[Accounts]":
    """Open a transaction. Its audit events name the system as the actor."""
    from app.api.accounts import Accounts
    from app.db.session import transaction

    async with transaction(state.database) as session:
        yield Accounts(session, state)


@asynccontextmanager
async def changing_user(who: str) -> "AsyncGenerator[tuple[Accounts, Row[Any]]]":
    """Find a user, and open a transaction."""
    async with open_existing() as state:
        user = await find_user(state, who)
        async with changing(state) as accounts:
            yield accounts, user


async def find_id(state: "AppState", name: str) -> UUID:
    """Return the id that `name` is, or the id of the user with this e-mail address."""
    from app.services.accounts.lookup import find_account
    from app.services.accounts.users import UserNotFound

    try:
        return UUID(name)
    except ValueError:
        account = await find_account(state.database.read, name)
    if account is None:
        raise UserNotFound("No user has this e-mail address.")
    return account.id  # type: ignore[no-any-return]


async def find_user(state: "AppState", name: str) -> "Row[Any]":
    """Find a user by an id or an e-mail address, or raise `UserNotFound`."""
    return await directory(state).get(await find_id(state, name))


def directory(state: "AppState") -> "UserDirectory":
    from app.services.accounts.users import UserDirectory

    return UserDirectory(state.database.read, state.cursors)


def read_password(*, from_stdin: bool) -> str:
    """Read a password from a pipe or a prompt, because other users see arguments."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise typer.BadParameter(
            "stdin is not a terminal, so the command cannot ask for the password. "
            "Use --password-stdin."
        )
    asked: str = typer.prompt(
        "New password", hide_input=True, confirmation_prompt=True, err=True
    )
    return asked
