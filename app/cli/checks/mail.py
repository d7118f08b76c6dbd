"""The outbox, and the server that sends its mail."""

import asyncio
from collections.abc import AsyncIterator

from app.cli.checks import Finding, judge, refused
from app.core.config import Settings
from app.core.settings.base import split_url
from app.db.base import utc_now
from app.db.session import Database, transaction
from app.services.mail import outbox
from app.services.mail.messages import MailWriter
from app.services.mail.smtp import SMTP_TIMEOUT_SECONDS, SMTPTransport

PAGE = "docs/mail.md#who-delivers-the-mail"
LATE_SECONDS = 300


async def check_outbox(settings: Settings) -> AsyncIterator[Finding]:
    """Check the outbox of a database that has its schema."""
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
    """Connect as the mail worker does, with STARTTLS and the login. Send no mail."""
    if not settings.smtp_url:
        return
    client = SMTPTransport(settings.smtp_url, MailWriter(settings)).client
    try:
        async with asyncio.timeout(SMTP_TIMEOUT_SECONDS):
            await client.connect()
            await client.ehlo()
            is_encrypted = client.get_transport_info("sslcontext") is not None
            await client.quit()
    except Exception as error:  # each error means that the server takes no mail
        fix = "Check SMTP_URL. Until then mail waits in the outbox."
        yield refused("mail.server", error, fix, PAGE)
        return
    has_login = bool(split_url(settings.smtp_url).username)
    value = "accepts the login" if has_login else "answers; SMTP_URL has no login"
    connection = "encrypted" if is_encrypted else "plain"
    yield Finding("mail.server", "ok", f"{value}; the connection is {connection}")
