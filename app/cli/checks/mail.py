"""The outbox, and the server that sends its mail."""

import asyncio
from collections.abc import AsyncIterator

from app.cli.checks import Finding, judge, refused
from app.core.config import Settings
from app.core.settings.base import split_url
from app.db.base import utc_now
from app.db.session import Database, transaction
from app.services.mail import outbox

PAGE = "docs/mail.md#who-delivers-the-mail"
TIMEOUT_SECONDS = 3
LATE_SECONDS = 300
PORTS = {"smtp": 25, "smtps": 465}


async def check_outbox(settings: Settings) -> AsyncIterator[Finding]:
    """Needs a database with a schema."""
    async with Database(settings) as database, transaction(database) as session:
        status = await outbox.read_status(session)
    oldest = status.oldest_pending_at
    age = (utc_now() - oldest).total_seconds() if oldest else 0
    yield judge(
        "mail.outbox",
        ok=not status.dead and age < LATE_SECONDS,
        value=f"{status.pending} wait, the oldest {age:.0f} s; {status.dead} failed",
        fix="Is the mail worker running? See `outbox status`, `outbox replay`.",
        link=PAGE,
    )


async def check(settings: Settings) -> AsyncIterator[Finding]:
    if settings.smtp_url:
        parts = split_url(settings.smtp_url)
        port = parts.port or PORTS.get(parts.scheme, 25)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                _, writer = await asyncio.open_connection(parts.hostname, port)
            writer.close()
        except Exception as error:  # each error means that it does not answer
            fix = "Check SMTP_URL. Until then mail waits in the outbox."
            yield refused("mail.server", error, fix, PAGE)
        else:
            yield Finding("mail.server", "ok", f"port {port} answers")
