"""`db copy`."""

from time import perf_counter
from typing import Annotated

import typer
from pydantic import ValidationError

from app.cli import backups
from app.cli.console import existing, fail, output, progress, run
from app.core.config import Settings, get_settings
from app.core.errors import own_words
from app.core.settings.database import DatabaseSettings

group = backups.group  # the group `db`


@group.command()
def copy(
    source: Annotated[
        str, typer.Option("--from", help="Database to read: sqlite:///PATH.")
    ],
    target: Annotated[
        str,
        typer.Option(
            "--to",
            help="Empty PostgreSQL database at the revision of the source. Default: "
            "DATABASE_URL. Other users of this machine can read a password in `--to`.",
        ),
    ] = "",
) -> None:
    """Copy all rows from SQLite to PostgreSQL.

    Stop the service first. Otherwise it could change rows that are already copied. If
    the command fails, the target stays empty. At the end, the command compares the
    numbers of rows.
    """
    settings = get_settings()
    old = existing(place(settings, "--from", source))
    new = place(settings, "--to", target or settings.database_url)
    if not old.on_sqlite or new.on_sqlite:
        fail("`db copy` copies only from sqlite:///… to postgresql://….", 2)
    began = perf_counter()
    copied = run(move(old, new))
    for table, count in copied.items():
        output.print(f"{table}: {count} rows")
    output.print(
        f"Copied {sum(copied.values())} rows in {perf_counter() - began:.1f} s."
    )


def place(settings: Settings, option: str, url: str) -> DatabaseSettings:
    values = settings.model_dump(include={*DatabaseSettings.model_fields})
    try:
        return DatabaseSettings(**values | {"database_url": url})
    except ValidationError as error:
        fail(f"{option} {own_words(error.errors()[0]['msg'])}")


async def move(old: DatabaseSettings, new: DatabaseSettings) -> dict[str, int]:
    from app.db import copying

    async with progress() as shown:
        return await copying.copy(old, new, shown)
