"""How mail leaves."""

from email.utils import parseaddr
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from app.core.settings.base import AppSettings, PositiveSeconds, in_production, refuse


class MailSettings(AppSettings):
    """How mail leaves."""

    smtp_url: str = Field(
        "",
        repr=False,
        description="smtps://user:password@host, smtp+starttls://… or smtp://…; "
        "in development mail is kept in MAIL_DIRECTORY without it.",
    )
    mail_from: str = Field(
        "no-reply@localhost", description="Sender: an address, or Name <address>."
    )
    mail_directory: Path = Field(
        Path("var/mail"), description="Where development keeps mail as .eml files."
    )
    outbox_in_process: bool | None = Field(
        None,
        description="Deliver mail from the web process, without `worker`; "
        "default: only in development.",
    )
    outbox_poll_seconds: PositiveSeconds = Field(
        1.0, description="How often a worker looks for mail of other processes."
    )
    outbox_lease_seconds: float = Field(
        60, ge=1, description="Mail taken by a worker that died is free again."
    )

    @field_validator("smtp_url")
    @classmethod
    def _smtp_url(cls, url: str, info: ValidationInfo) -> str:
        parts = urlsplit(url)
        known = parts.scheme in {"smtp", "smtp+starttls", "smtps"} and parts.hostname
        refuse(url and not known, "must start with smtp, smtp+starttls or smtps://host")
        refuse(
            parts.scheme == "smtp" and parts.password and in_production(info),
            "must not send its password in plain text: use smtp+starttls:// or smtps://",
        )
        return url

    @field_validator("mail_from")
    @classmethod
    def _mail_from(cls, sender: str) -> str:
        _, address = parseaddr(sender)
        refuse("@" not in address or not sender.isprintable(), "is not an address")
        return sender

    @property
    def delivers_mail_in_process(self) -> bool:
        if self.outbox_in_process is None:
            return self.environment == "development"
        return self.outbox_in_process
