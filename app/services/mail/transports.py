"""The two ways to deliver a mail: to an SMTP server, or as a file for developers."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from app.core.logging import get_logger
from app.core.settings.mail import MailSettings

if TYPE_CHECKING:
    from app.services.mail.messages import Mail, MailWriter

log = get_logger(__name__)


class DeliveryFailed(Exception):
    """The mail was not accepted. Another attempt can succeed."""


class Undeliverable(DeliveryFailed):
    """The server will never accept this mail for this address."""


class Transport(Protocol):
    async def send(self, mail: "Mail") -> None:
        """Deliver the mail. Raise `DeliveryFailed` if it is not accepted."""

    async def rest(self) -> None:
        """Free resources, such as connections, because no mail is due now."""


class DirectoryTransport:
    """For development: writes each mail to a file, and its link to the log."""

    def __init__(self, directory: Path, writer: "MailWriter") -> None:
        self.directory = directory
        self.writer = writer

    async def send(self, mail: "Mail") -> None:
        unique = mail.message_id.strip("<>").partition("@")[0]
        name = f"{mail.written_at:%Y%m%dT%H%M%S}-{mail.template}-{unique}.eml"
        file = self.directory / name
        try:
            await asyncio.to_thread(self._write, file, mail)
        except OSError as error:
            raise DeliveryFailed(f"{type(error).__name__} {error}") from error
        shown = {"link": mail.link} if mail.link else {}
        log.info(
            "mail.kept",
            to=mail.recipient,
            subject=mail.subject,
            file=str(file),
            **shown,
        )

    def _write(self, file: Path, mail: "Mail") -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_bytes(self.writer.message(mail).as_bytes())

    async def rest(self) -> None:
        """Do nothing: no file stays open."""


def find_transport(settings: MailSettings) -> Transport | None:
    """Return None if no transport is configured. Mail then waits in the outbox."""
    if not (settings.smtp_url or settings.writes_mail_to_files):
        return None
    # Imported here, so that a service without mail does not load 3 MiB of libraries.
    from app.services.mail.messages import MailWriter

    writer = MailWriter(settings)
    if settings.smtp_url:
        from app.services.mail.smtp import SMTPTransport

        return SMTPTransport(settings.smtp_url, writer)
    return DirectoryTransport(settings.mail_directory, writer)
