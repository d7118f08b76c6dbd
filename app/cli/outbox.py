import asyncio
import signal
from typing import Annotated
from uuid import UUID

import typer

from app.cli.console import existing, fail, output, run
from app.core.config import Settings, get_settings

group = typer.Typer(name="outbox", help="Mail that waits, or was given up.")


def add_commands(cli: typer.Typer) -> None:
    cli.command()(worker)


def worker() -> None:
    """Deliver mail until stopped by SIGTERM or Ctrl-C; run as many as you like."""
    run(deliver(get_settings()))


async def deliver(settings: Settings) -> None:
    from app.core.logging import configure_logging
    from app.db.session import Database
    from app.services.mail.transports import find_transport
    from app.services.mail.worker import MailWorker

    transport = find_transport(settings)
    if transport is None:
        fail("SMTP_URL is not set: mail waits in the outbox until it is.")
    configure_logging(level=settings.log_level, json=settings.logs_json)
    async with Database(settings) as database:
        mail_worker = MailWorker(database, settings, transport, asyncio.Event())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, mail_worker.stop)
        await mail_worker.run()


@group.command()
def status() -> None:
    """Show how much mail waits and since when, and what was given up."""
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
    output.print(f"Waiting: {counts.pending}{age}")
    output.print(f"Given up: {counts.dead}")
    output.print(f"Delivered in the last 30 days: {counts.sent}")
    for mail in dead:
        output.print(f"  {mail.id} {mail.template}: {mail.last_error}", markup=False)


@group.command()
def replay(
    ids: Annotated[
        list[UUID] | None, typer.Argument(help="Which ones; without, all.")
    ] = None,
) -> None:
    """Try mail again that was given up."""
    count = run(revive(existing(get_settings()), ids or []))
    output.print(f"Mail to be tried again: {count}")


async def revive(settings: Settings, ids: list[UUID]) -> int:
    from app.db.session import Database, transaction
    from app.services.mail import outbox

    async with Database(settings) as database, transaction(database) as session:
        return await outbox.replay(session, ids)
