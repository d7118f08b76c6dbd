import json
from typing import Annotated
from uuid import UUID

import typer

from app.cli.console import awaited, existing, fail, output
from app.cli.lists import SECONDS, Json
from app.core.config import get_settings

group = typer.Typer(name="outbox", help="Inspect and retry mail.")


@group.command()
@awaited
async def status(*, as_json: Json = False) -> None:
    """Count pending, failed and delivered mail; list failed mail."""
    from app.db.base import utc_now
    from app.db.session import Database, transaction
    from app.services.mail import outbox

    settings = existing(get_settings())
    async with Database(settings) as database, transaction(database) as session:
        counts = await outbox.read_status(session)
        dead = await outbox.list_dead(session)
    if as_json:
        mails = [
            {"id": str(each.id), "template": each.template, "error": each.last_error}
            for each in dead
        ]
        oldest = counts.oldest_pending_at
        shown = {
            "pending": counts.pending,
            "oldest_pending_at": oldest and oldest.strftime(SECONDS),
            "failed": counts.dead,
            "delivered": counts.sent,
            "failed_mails": mails,
        }
        output.out(json.dumps(shown))
        return
    age = ""
    if counts.oldest_pending_at:
        seconds = int((utc_now() - counts.oldest_pending_at).total_seconds())
        age = f" (oldest: {seconds} s)"
    output.print(f"Pending: {counts.pending}{age}")
    output.print(f"Failed: {counts.dead}")
    output.print(f"Delivered in the last 30 days: {counts.sent}")
    for mail in dead:
        output.print(f"  {mail.id} {mail.template}: {mail.last_error}")


@group.command()
@awaited
async def replay(
    ids: Annotated[
        list[UUID] | None,
        typer.Argument(help="IDs to retry (default: all failed mail)."),
    ] = None,
) -> None:
    """Queue failed mail again."""
    from app.db.session import Database, transaction
    from app.services.mail import outbox

    settings = existing(get_settings())
    async with Database(settings) as database, transaction(database) as session:
        count = await outbox.replay(session, ids or [])
    output.print(f"Mails queued again: {count}")
    if count < len(set(ids or ())):
        fail("Not every ID is that of a failed mail.")
