"""Delivers each mail of the outbox at least once, always with the same Message-ID.

The worker commits when it has taken a mail, and again when it has delivered it. If it
dies in between, another worker takes the mail when the lease ends.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from time import perf_counter

from app.core.logging import get_logger
from app.core.metrics import deliveries
from app.core.settings.mail import MailSettings
from app.db.base import utc_now
from app.db.models.outbox_mail import OutboxMail
from app.db.session import Database, transaction
from app.services.mail import outbox
from app.services.mail.transports import Transport, Undeliverable, find_transport

log = get_logger(__name__)

MAX_ATTEMPTS = 12  # the last is about three and a half hours after the first
FIRST_RETRY = timedelta(seconds=10)
SLOWEST_RETRY = timedelta(hours=1)
STOP_SECONDS = 5.0

See = Callable[[OutboxMail, float, Exception | None], None]


def see_nothing(mail: OutboxMail, seconds: float, error: Exception | None) -> None:
    """Do nothing. This is the default of `see`."""


class LinkExpired(Undeliverable):
    """The link in the mail has expired, so the mail would be useless."""


def retry_delay(attempts: int) -> timedelta:
    """Double the delay for each attempt. Jitter spreads the retries of workers."""
    delay: timedelta = min(FIRST_RETRY * 2 ** (attempts - 1), SLOWEST_RETRY)
    return delay * random.uniform(0.8, 1.2)  # noqa: S311 - no secret


class MailWorker:
    """Delivers one mail after another. Several workers can run at the same time."""

    def __init__(
        self,
        database: Database,
        settings: MailSettings,
        transport: Transport,
        wake: asyncio.Event,
        heartbeat: Path | None = None,
        see: See = see_nothing,
    ) -> None:
        """The worker touches the file `heartbeat`, at least every `heartbeat_seconds`.

        It calls `see` after each attempt, with the mail, the seconds that the attempt
        took, and the error or None.
        """
        from app.services.mail.messages import MailWriter

        self.heartbeat = heartbeat
        self.database = database
        self.see = see
        self.transport = transport
        self.writer = MailWriter(settings)
        self.lease = timedelta(seconds=settings.outbox_lease_seconds)
        self.poll_seconds = settings.outbox_poll_seconds
        self.wake = wake
        self.stopping = False

    async def run(self) -> None:
        """Deliver until `stop` is called. A mail that fails is tried again later."""
        is_down = False
        while not self.stopping:
            self.wake.clear()
            try:
                await self.deliver_due()
                is_down = False
            except Exception as error:  # such as a database that is down
                if not is_down:
                    log.warning("outbox.unavailable", reason=type(error).__name__)
                is_down = True
            with suppress(TimeoutError):
                async with asyncio.timeout(self.poll_seconds):
                    await self.wake.wait()  # `stop` also wakes it

    def stop(self) -> None:
        """Let the worker finish the current mail, and take no other."""
        self.stopping = True
        self.wake.set()

    async def deliver_due(self) -> int:
        """Deliver until no mail is due. Return the number of attempts."""
        count = 0
        while not self.stopping and (mail := await self._claim()) is not None:
            await self._deliver(mail)
            count += 1
        if count:
            await self.transport.rest()
        return count

    async def _claim(self) -> OutboxMail | None:
        if self.heartbeat is not None:
            self.heartbeat.touch()
        async with transaction(self.database) as session:
            return await outbox.claim(session, self.lease)

    async def _deliver(self, row: OutboxMail) -> None:
        started = perf_counter()
        try:
            if row.recipient is not None:
                if row.expires_at and row.expires_at <= utc_now():
                    raise LinkExpired("the link of the mail has expired")
                # Give up before the lease ends, because another worker then takes the
                # mail.
                async with asyncio.timeout(self.lease.total_seconds() * 0.8):
                    await self.transport.send(self.writer.write(row, row.recipient))
        except Exception as error:  # any error, such as a broken template
            self.see(row, perf_counter() - started, error)
            await self._postpone(row, error)
            return
        self.see(row, perf_counter() - started, None)
        async with transaction(self.database) as session:
            await outbox.settle(session, row)
        if row.recipient is not None:
            deliveries.labels("sent").inc()
            log.info("mail.sent", mail_id=str(row.id), template=row.template)

    async def _postpone(self, row: OutboxMail, error: Exception) -> None:
        final = isinstance(error, Undeliverable) or row.attempts >= MAX_ATTEMPTS
        due_at = None if final else utc_now() + retry_delay(row.attempts)
        reason = f"{type(error).__name__}: {error}"
        async with transaction(self.database) as session:
            await outbox.postpone(session, row, reason, due_at)
        deliveries.labels("dead" if final else "postponed").inc()
        log.warning(
            "mail.dead" if final else "mail.postponed",
            mail_id=str(row.id),
            template=row.template,
            attempts=row.attempts,
            reason=type(error).__name__,
        )


@asynccontextmanager
async def delivering(
    database: Database,
    settings: MailSettings,
    wake: asyncio.Event,
    see: See = see_nothing,
) -> AsyncGenerator[None]:
    """Deliver mail in the background of this process, if the settings say so."""
    transport = find_transport(settings)
    if transport is None:
        log.warning(
            "mail.waits",
            reason="SMTP_URL is not set, so mail waits in the outbox. If you change "
            "PUBLIC_BASE_URL, the links in this mail keep the old URL.",
        )
    if not settings.delivers_mail_in_process or transport is None:
        yield
        return
    worker = MailWorker(database, settings, transport, wake, see=see)
    task = asyncio.create_task(worker.run(), name="mail")
    try:
        yield
    finally:
        worker.stop()
        # After STOP_SECONDS `wait_for` cancels the task. Another worker then sends the
        # unfinished mail, when the lease ends.
        try:
            await asyncio.wait_for(task, STOP_SECONDS)
        except TimeoutError:
            log.warning("mail.interrupted")
