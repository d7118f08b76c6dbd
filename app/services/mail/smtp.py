"""Delivers mails to an SMTP server."""

import asyncio
from urllib.parse import unquote, urlsplit

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

from app.services.mail.messages import Mail, MailWriter
from app.services.mail.transports import DeliveryFailed, Undeliverable

SMTP_TIMEOUT_SECONDS = 10.0


class SMTPTransport:
    """Sends mails over one connection, which stays open while mails are due."""

    def __init__(self, url: str, writer: MailWriter) -> None:
        parts = urlsplit(url)
        self.writer = writer
        self.client = SMTP(
            hostname=parts.hostname,
            port=parts.port,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            use_tls=parts.scheme == "smtps",
            # None means: encrypt if the server offers it.
            start_tls={"smtps": False, "smtp+starttls": True}.get(parts.scheme),
            # By default the library asks DNS for the name of this host, and so blocks
            # the event loop.
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
            self.client.close()  # because the state of the connection is unknown
            if _is_final(error):
                raise Undeliverable(_describe(error)) from error
            raise DeliveryFailed(_describe(error)) from error
        except asyncio.CancelledError:
            self.client.close()
            raise

    async def rest(self) -> None:
        # Do not keep an idle connection: the server could close it at the moment when
        # the next mail is sent.
        if self.client.is_connected:
            try:
                await self.client.quit()
            except (SMTPException, OSError, TimeoutError):
                self.client.close()


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
