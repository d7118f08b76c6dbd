"""The two ways to deliver a mail: to an SMTP server, or as a file for developers."""

import asyncio
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

from app.core.logging import get_logger
from app.core.settings.mail import MailSettings
from app.services.mail.messages import Mail, MailWriter

log = get_logger(__name__)

SMTP_TIMEOUT_SECONDS = 10.0


class DeliveryFailed(Exception):
    """The mail was not accepted. Another attempt can succeed."""


class Undeliverable(DeliveryFailed):
    """The server will never accept this mail for this address."""


class Transport(Protocol):
    async def send(self, mail: Mail) -> None:
        """Raise `DeliveryFailed` unless the receiver has taken over the mail."""

    async def rest(self) -> None:
        """Free resources, because there is nothing to send for a while."""


class SMTPTransport:
    """One connection, kept while there is mail to send."""

    def __init__(self, url: str, writer: MailWriter) -> None:
        parts = urlsplit(url)
        self.writer = writer
        self.client = SMTP(
            hostname=parts.hostname,
            port=parts.port,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            use_tls=parts.scheme == "smtps",
            # None: encrypt where the server offers it.
            start_tls={"smtps": False, "smtp+starttls": True}.get(parts.scheme),
            # By default the library asks DNS for it, which blocks the event loop.
            local_hostname=writer.domain,
            timeout=SMTP_TIMEOUT_SECONDS,
        )

    async def send(self, mail: Mail) -> None:
        try:
            if not self.client.is_connected:
                await self.client.connect()
            await self.client.send_message(
                self.writer.message(mail),
                sender=self.writer.sender,
                recipients=[mail.recipient],
            )
        except (SMTPException, OSError, TimeoutError) as error:
            self.client.close()  # because its state is unknown
            if _is_final(error):
                raise Undeliverable(_describe(error)) from error
            raise DeliveryFailed(_describe(error)) from error
        except asyncio.CancelledError:
            self.client.close()
            raise

    async def rest(self) -> None:
        # The server could close an idle connection just when the next mail needs it.
        if self.client.is_connected:
            try:
                await self.client.quit()
            except (SMTPException, OSError, TimeoutError):
                self.client.close()


class DirectoryTransport:
    """For development: a file for each mail, and its link in the log."""

    def __init__(self, directory: Path, writer: MailWriter) -> None:
        self.directory = directory
        self.writer = writer

    async def send(self, mail: Mail) -> None:
        unique = mail.message_id.strip("<>").partition("@")[0]
        name = f"{mail.written_at:%Y%m%dT%H%M%S}-{mail.template}-{unique}.eml"
        file = self.directory / name
        try:
            await asyncio.to_thread(self._write, file, mail)
        except OSError as error:
            raise DeliveryFailed(_describe(error)) from error
        shown = {"link": mail.link} if mail.link else {}
        log.info(
            "mail.kept",
            to=mail.recipient,
            subject=mail.subject,
            file=str(file),
            **shown,
        )

    def _write(self, file: Path, mail: Mail) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_bytes(self.writer.message(mail).as_bytes())

    async def rest(self) -> None:
        """Nothing is kept open."""


def find_transport(settings: MailSettings) -> Transport | None:
    """Return None if no transport is configured. Mail then waits in the outbox."""
    writer = MailWriter(settings)
    if settings.smtp_url:
        return SMTPTransport(settings.smtp_url, writer)
    if settings.writes_mail_to_files:
        return DirectoryTransport(settings.mail_directory, writer)
    return None


def _is_final(error: Exception) -> bool:
    if isinstance(error, SMTPRecipientsRefused):
        return all(500 <= refused.code < 600 for refused in error.recipients)
    return isinstance(error, SMTPDataError) and 500 <= error.code < 600


def _describe(error: Exception) -> str:
    if isinstance(error, SMTPRecipientsRefused):
        error = error.recipients[0]
    if isinstance(error, SMTPResponseException):
        return f"{type(error).__name__} {error.code} {error.message}"
    return f"{type(error).__name__} {error}"
