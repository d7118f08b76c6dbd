import json
import secrets
from typing import Annotated, Any, Literal

import typer

from app.cli.accounts import (
    PasswordStdin,
    changing,
    changing_user,
    directory,
    find_user,
    open_existing,
    read_password,
)
from app.cli.console import awaited, existing, fail, output, run
from app.cli.lists import (
    SECONDS,
    Json,
    JsonLines,
    Limit,
    parse_filters,
    show_json,
    show_list,
)
from app.core.config import get_settings
from app.core.errors import own_words

group = typer.Typer(name="users", help="Manage accounts.")

RoleName = Literal["user", "editor", "admin"]
Who = Annotated[str, typer.Argument(metavar="USER", help="E-mail address or id.")]


@group.command()
def create(
    email: Annotated[str, typer.Option(help="E-mail address of the account.")],
    role: Annotated[RoleName, typer.Option(help="Role of the account.")] = "user",
    password_stdin: Annotated[
        bool,
        typer.Option(
            "--password-stdin",
            help="Read the password from stdin instead of generating one.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Create an account. The command shows a generated password only once."""
    password = read_password(from_stdin=True) if password_stdin else None
    existing(get_settings())
    generated = run(create_user(email, role, password))
    if as_json:
        account = {"email": email, "role": role, "password": generated}
        output.out(json.dumps(account))
        return
    output.print(f"Created {role} {email}.")
    if generated:
        output.print(f"Password: {generated}")


async def create_user(email: str, role: RoleName, password: str | None) -> str | None:
    """Create an account. Return the password if it was generated."""
    from pydantic import ValidationError

    from app.schemas.user import UserCreate

    chosen = password if password is not None else secrets.token_urlsafe(15)
    try:
        data = UserCreate(email=email, role=role, password=chosen)
    except ValidationError as error:
        fail(own_words(error.errors()[0]["msg"]))
    async with open_existing() as state, changing(state) as accounts:
        await accounts.registration.create(data)
    return chosen if password is None else None


@group.command(name="list")
@awaited
async def list_(
    *,
    q: Annotated[
        str | None, typer.Option(help="Text in the e-mail address or the name.")
    ] = None,
    role: Annotated[
        RoleName | None, typer.Option(help="Only accounts with this role.")
    ] = None,
    active: Annotated[
        bool | None,
        typer.Option("--active/--disabled", help="Only accounts in this state."),
    ] = None,
    limit: Limit = 100,
    as_json: JsonLines = False,
) -> None:
    """List accounts, newest first."""
    from app.schemas.user import UserQuery, UserRead

    query = parse_filters(UserQuery, q=q, role=role, is_active=active)

    def line(user: UserRead) -> str:
        state = "active" if user.is_active else "disabled"
        return f"{user.id}  {user.role:6}  {state:8}  {user.email}"

    async with open_existing() as state:
        read = directory(state).page
        await show_list(read, query, limit, UserRead, line, as_json=as_json)


@group.command()
@awaited
async def show(who: Who, *, as_json: Json = False) -> None:
    """Show an account."""
    from app.schemas.user import UserRead

    async with open_existing() as state:
        user = UserRead.model_validate(await find_user(state, who))
    if as_json:
        show_json(user)
        return
    for name, value in user.model_dump(mode="json").items():
        output.print(f"{name}: {'-' if value is None else value}")


@group.command()
@awaited
async def set_role(
    who: Who, role: Annotated[RoleName, typer.Argument(help="The new role.")]
) -> None:
    """Change the role of a user.

    If the user becomes an administrator, all other administrators get a mail.
    """
    output.print(f"{await update(who, role=role)} is now {role}.")


@group.command()
@awaited
async def disable(who: Who) -> None:
    """Disable an account and end its sessions. Its data stays."""
    output.print(f"{await update(who, is_active=False)} is disabled.")


@group.command()
@awaited
async def enable(who: Who) -> None:
    """Enable an account again. The user must log in again."""
    output.print(f"{await update(who, is_active=True)} is enabled.")


async def update(who: str, **values: Any) -> str:
    from app.schemas.user import UserUpdate
    from app.services.accounts.users import ANY_VERSION

    async with changing_user(who) as (accounts, user):
        await accounts.users.update(user.id, UserUpdate(**values), ANY_VERSION)
    return str(user.email)


@group.command()
def set_password(who: Who, *, password_stdin: PasswordStdin = False) -> None:
    """Set a password and end all sessions of the user.

    The user gets a mail. Links in earlier mails to the user, such as a password reset,
    stop working. The command asks for the password unless you choose
    `--password-stdin`.
    """
    existing(get_settings())
    password = read_password(from_stdin=password_stdin)
    output.print(f"{run(replace_password(who, password))} has a new password.")


async def replace_password(who: str, password: str) -> str:
    async with changing_user(who) as (accounts, user):
        await accounts.passwords.set(user.id, user.email, password)
    return str(user.email)


@group.command()
@awaited
async def reset_mfa(who: Who) -> None:
    """Remove all second factors and recovery codes of a user.

    The user gets a mail, and their sessions end. Use this command for a user who has
    lost these factors. First make sure that the request really comes from this user.
    """
    async with changing_user(who) as (accounts, user):
        await accounts.mfa.reset(user.id)
    output.print(f"{user.email} has no second factor any more.")


@group.command()
@awaited
async def sessions(who: Who, *, as_json: JsonLines = False) -> None:
    """List the sessions of a user, newest first."""
    from app.schemas.auth import SessionRead
    from app.schemas.page import PageParameters
    from app.services.accounts.sessions import MAX_SESSIONS

    query = PageParameters(limit=MAX_SESSIONS)
    async with changing_user(who) as (accounts, user):
        page = await accounts.sessions.page(user.id, query)
    for row in page.items:
        found = SessionRead.model_validate(row)
        if as_json:
            show_json(found, "current")
        else:
            output.print(
                f"{found.id}  from {found.ip}  since {found.created_at:{SECONDS}}  "
                f"last seen {found.last_seen_at:{SECONDS}}"
            )


@group.command()
@awaited
async def end_sessions(who: Who) -> None:
    """End all sessions of a user. The user can log in again with the password."""
    async with changing_user(who) as (accounts, user):
        await accounts.users.end_sessions(user.id)
    output.print(f"The sessions of {user.email} have ended.")
