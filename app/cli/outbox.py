from typing import Annotated
from uuid import UUID

import typer

from app.cli.console import existing, output, run
from app.core.config import Settings, get_settings

group = typer.Typer(name="outbox", help="Pending and failed mail.")


@group.command()
def status() -> None:
    """Show how much mail is pending and since when, and which mail failed for good."""
    run(show(existing(get_settings())))


async def show(settings: Settings) -> None:
    from app.db.base import utc_now
    from app.db.session import Database, transaction
    from app.services.mail import outbox

    async with Database(settings) as database, transaction(database) as session:
        counts = await outbox.read_status(session)
        dead = await outbox.list_dead(session)
    age = ""
    if counts.oldest_pending_at:
        seconds = int((utc_now() - counts.oldest_pending_at).total_seconds())
        age = f", the oldest for {seconds} s"
    output.print(f"Pending: {counts.pending}{age}")
    output.print(f"Failed: {counts.dead}")
    output.print(f"Delivered in the last 30 days: {counts.sent}")
    for mail in dead:
        output.print(f"  {mail.id} {mail.template}: {mail.last_error}", markup=False)


@group.command()
def replay(
    ids: Annotated[
        list[UUID] | None, typer.Argument(help="IDs to retry (default: all).")
    ] = None,
) -> None:
    """Retry mail that failed for good."""
    count = run(revive(existing(get_settings()), ids or []))
    output.print(f"Mail to retry: {count}")


async def revive(settings: Settings, ids: list[UUID]) -> int:
    from app.db.session import Database, transaction
    from app.services.mail import outbox

    async with Database(settings) as database, transaction(database) as session:
        return await outbox.replay(session, ids)
