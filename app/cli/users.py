import secrets
import sys
from typing import Annotated, Literal

import typer

from app.cli.console import existing, fail, output, run
from app.core.config import get_settings
from app.core.errors import own_words

group = typer.Typer(name="users", help="Manage accounts.")


@group.callback()
def users() -> None:
    """Manage accounts."""


@group.command()
def create(
    email: Annotated[str, typer.Option(help="E-mail address of the account.")],
    role: Annotated[
        Literal["user", "editor", "admin"], typer.Option(help="Role of the account.")
    ] = "user",
    password_stdin: Annotated[
        bool,
        typer.Option(help="Read the password from stdin instead of generating one."),
    ] = False,
) -> None:
    """Create an account. The command shows a generated password only once."""
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    existing(get_settings())
    generated = run(create_user(email, role, password))
    output.print(f"Created {role} {email}.", markup=False)
    if generated:
        output.print(f"Password: {generated}", markup=False)


async def create_user(
    email: str, role: Literal["user", "editor", "admin"], password: str | None
) -> str | None:
    """Create an account. Return the password if it was generated."""
    from pydantic import ValidationError

    from app.db.session import transaction
    from app.schemas.user import UserCreate
    from app.services.accounts.mail_quota import MailQuota
    from app.services.accounts.one_time_links import OneTimeLinks
    from app.services.accounts.registration import AccountService
    from app.services.accounts.users import UserService
    from app.services.mail.outbox import Outbox
    from app.state import open_state

    chosen = password if password is not None else secrets.token_urlsafe(15)
    try:
        data = UserCreate(email=email, role=role, password=chosen)
    except ValidationError as error:
        fail(own_words(error.errors()[0]["msg"]))
    async with (
        open_state(get_settings()) as state,
        transaction(state.database) as session,
    ):
        read, settings = state.database.read, state.settings
        outbox = Outbox(session)
        links = OneTimeLinks(session, read, outbox, settings.public_base_url)
        users = UserService(session, outbox)
        quota = MailQuota(state.limiter, state.policies)
        accounts = AccountService(
            session, settings, state.hasher, links, outbox, users, quota
        )
        await accounts.create(data)
    return chosen if password is None else None
