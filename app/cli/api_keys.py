from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from app.cli.accounts import changing, find_user, open_existing
from app.cli.console import awaited, fail, output
from app.cli.lists import SECONDS, Json, JsonLines, Limit, show_json, show_list
from app.core.errors import own_words

if TYPE_CHECKING:
    from app.services.api_keys.keys import ApiKeyService, Owner

group = typer.Typer(name="api-keys", help="Manage the API keys of accounts.")

Who = Annotated[str, typer.Option("--user", help="E-mail address or id of the owner.")]
KeyId = Annotated[UUID, typer.Argument(metavar="KEY", help="Id of the API key.")]
Days = Annotated[
    int | None, typer.Option("--expires-days", help="Days until the new key expires.")
]


@group.command()
@awaited
async def create(
    user: Who,
    name: Annotated[str, typer.Option(help="What the key is for.")],
    scope: Annotated[
        list[str], typer.Option(help="A scope of the key. You can repeat this option.")
    ],
    *,
    expires_days: Days = None,
    network: Annotated[
        list[str] | None,
        typer.Option(
            help="A network from which the key works. You can repeat this option. "
            "Default: all networks."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make an API key. The command shows the key only once.

    If a program does not act for a person, give it an account of its own: make one
    with `users create`, and do not keep the password.
    """
    values = {
        "name": name,
        "scopes": scope,
        "expires_in_days": expires_days,
        "allowed_networks": network or [],
    }
    await make(user, None, values, as_json=as_json)


@group.command()
@awaited
async def rotate(
    key: KeyId,
    user: Who,
    *,
    overlap_seconds: Annotated[
        int, typer.Option(help="Seconds for which the old key still works.")
    ] = 0,
    expires_days: Days = None,
    as_json: Json = False,
) -> None:
    """Replace an API key by a new one.

    The new key has the same name, scopes and networks.
    """
    values = {"overlap_seconds": overlap_seconds, "expires_in_days": expires_days}
    await make(user, key, values, as_json=as_json)


async def make(
    who: str, replaced: UUID | None, values: dict[str, Any], *, as_json: bool
) -> None:
    from pydantic import ValidationError

    from app.schemas.api_key import ApiKeyCreate, ApiKeyCreated, ApiKeyRotate

    kind = ApiKeyRotate if replaced else ApiKeyCreate
    try:
        data: Any = kind.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        fail(f"{fault['loc'][0]}: {own_words(fault['msg'])}")
    async with keys_of(who, locked=True) as (keys, owner):
        if replaced:
            made = await keys.replace(owner, replaced, data)
        else:
            made = await keys.issue(owner, data)
    if as_json:
        show_json(ApiKeyCreated.model_validate(made))
        return
    output.print(f"Id: {made['id']}")
    output.print(f"Expires: {made['expires_at']:{SECONDS}}")
    output.print(f"Key: {made['key']}")


@group.command()
@awaited
async def revoke(key: KeyId, user: Who) -> None:
    """Revoke an API key. The service refuses the next request with this key."""
    async with keys_of(user) as (keys, owner):
        await keys.revoke(owner, key)
    output.print(f"The API key {key} is revoked.")


@group.command(name="list")
@awaited
async def list_(user: Who, *, limit: Limit = 100, as_json: JsonLines = False) -> None:
    """List the API keys of an account, without revoked or expired keys."""
    from app.schemas.api_key import ApiKeyRead
    from app.schemas.page import PageParameters

    def line(key: ApiKeyRead) -> str:
        used = f"{key.last_used_at:{SECONDS}}" if key.last_used_at else "never"
        return (
            f"{key.id}  {key.hint}  until {key.expires_at:{SECONDS}}  "
            f"used {used}  {' '.join(key.scopes)}  {key.name}"
        )

    async with keys_of(user) as (keys, owner):
        read, query = partial(keys.page, owner.id), PageParameters()
        await show_list(read, query, limit, ApiKeyRead, line, as_json=as_json)


@asynccontextmanager
async def keys_of(
    who: str, *, locked: bool = False
) -> "AsyncGenerator[tuple[ApiKeyService, Owner]]":
    """Open a transaction. With `locked`, first lock the row of the user."""
    from app.services.accounts.roles import SCOPES
    from app.services.api_keys.keys import ApiKeyService, Owner

    async with open_existing() as state:
        user: Any = await find_user(state, who)
        async with changing(state) as accounts:
            if locked:
                user = await accounts.users.lock(user.id)
            keys = ApiKeyService(
                accounts.session,
                state.database.read,
                state.cursors,
                accounts.outbox,
                state.settings.api_key_max_days,
            )
            yield keys, Owner(user.id, user.email, SCOPES[user.role])
