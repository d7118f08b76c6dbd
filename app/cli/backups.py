"""`db backup` and `db restore`."""

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import db
from app.cli.console import errors, existing, output, run
from app.cli.db import find_heads, known
from app.core.config import get_settings

if TYPE_CHECKING:
    from app.schemas.audit import EventName

group = db.group
FILE = typer.Argument(help="File of the backup.", dir_okay=False)
Backup = Annotated[Path, FILE]


@group.command()
def backup(file: Backup) -> None:
    """Write a consistent copy of the database to a file.

    The service can run meanwhile. Also keep a copy of SECRET_KEY, but not in the same
    place as the backup: a thief who has both can make valid tokens. PostgreSQL needs
    pg_dump.
    """
    from app.db import backups

    settings = existing(get_settings())
    run(backups.back_up(settings, file))
    output.print(f"Wrote {file} ({file.stat().st_size} bytes).")
    run(note("backup.made", file))


@group.command()
def restore(
    file: Backup,
    *,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Only check that the backup can be restored: restore it into a "
            "temporary database, and compare the numbers of rows. In your database, "
            "this only adds an audit event.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a database that has tables.")
    ] = False,
) -> None:
    """Fill the database from a backup. If this fails, nothing changes."""
    from app.db import backups

    if verify and force:
        raise typer.BadParameter("--verify restores nothing, so leave out --force.")
    settings = get_settings()
    began = perf_counter()
    if verify:
        counts = run(backups.verify(settings, file))
    else:
        counts = run(backups.restore(settings, file, force=force))
    for table, rows in counts.items():
        output.print(f"{table}: {rows} rows")
    done = "can be restored" if verify else "is restored"
    output.print(f"{file} {done} ({perf_counter() - began:.1f} s).")
    if verify:
        run(note("backup.verified", file))
    else:
        heads = find_heads(settings)
        output.print(f"The database is at {', '.join(heads) or 'base'}.")
        if known().heads - set(heads):
            output.print("Run `db upgrade` before you start this release.")


async def note(event: "EventName", file: Path) -> None:
    """Add an event to the audit trail. `/metrics` shows the time of the event."""
    from sqlalchemy.exc import DBAPIError

    from app.core.errors import AppError, explain
    from app.db.session import Database, transaction
    from app.services.audit import record

    settings = get_settings()
    if settings.lacks_file:  # `--verify` on a machine without the database
        return
    try:
        async with Database(settings) as database, transaction(database) as own:
            record(own, event, None, file=file.name)
    except (AppError, DBAPIError) as error:  # such as a role that can only read
        errors.print(
            f"Warning: The database could not store {event}, so the metrics do not "
            f"show it. {explain(error).get('message', '')}"
        )
