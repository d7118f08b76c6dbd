"""Mail: the server that sends it, and where its links lead."""

from email.utils import parseaddr
from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator

from app.core.settings.base import (
    PositiveSeconds,
    in_production,
    is_local,
    outside_development,
    refuse,
    refuse_default_password,
    refuse_plaintext,
    split_url,
)
from app.core.settings.database import DatabaseSettings


def mails_in_production(info: ValidationInfo) -> bool:
    return in_production(info) and bool(info.data.get("smtp_url", "unreadable"))


class MailSettings(DatabaseSettings):
    """Mail: the server that sends it, and where its links lead."""

    smtp_url: str = Field("", repr=False)
    """Mail server: `smtps://user:password@host`, `smtp+starttls://…` or `smtp://…`.
    `smtp://` encrypts only if the server offers encryption. Outside development,
    `smtp://` needs a local host or an entry in PLAINTEXT_HOSTS. Without SMTP_URL, mail
    waits in the outbox, except in development: if the database is SQLite, or if
    OUTBOX_IN_PROCESS is `true`, development writes mail to MAIL_DIRECTORY.
    """

    public_base_url: str = Field(
        "http://127.0.0.1:8000", pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$"
    )
    """URL at which clients reach the service. Links in mails begin with this URL, and
    this URL is the issuer of access tokens. Production requires a public https URL if
    SMTP_URL or SIGNING_KEYS is set.
    """

    mail_from: str = "no-reply@localhost"
    """Sender of mails: an address, or `Name <address>`."""

    mail_directory: Path = Path("var/mail")
    """Directory into which development writes mails as .eml files. See SMTP_URL for
    when it does so.
    """

    outbox_in_process: bool | None = None
    """`true` delivers mail from the web process, so that you need no `worker`. Without
    SMTP_URL, this setting also decides where development on PostgreSQL puts mail:
    `true` into MAIL_DIRECTORY, `false` into the outbox, where the mail waits. Default:
    `true` in development on SQLite, else `false`.
    """

    outbox_poll_seconds: PositiveSeconds = 1.0
    """Seconds between two checks of the outbox by an idle mail worker. The worker must
    check, because other processes put mail into the outbox and do not tell the worker.
    """

    outbox_lease_seconds: float = Field(60, ge=1)
    """Seconds after which another worker takes over the mail of a worker that died."""

    worker_heartbeat_file: Path | None = None
    """File that the mail worker touches, at least as often as it checks the outbox.
    `worker --check` fails if the file is missing or too old. Use this command as the
    health check of a container. Empty: no heartbeat.
    """

    @field_validator("smtp_url")
    @classmethod
    def _smtp_url(cls, url: str, info: ValidationInfo) -> str:
        parts = split_url(url)
        known = parts.scheme in {"smtp", "smtp+starttls", "smtps"} and parts.hostname
        refuse(
            url and not known,
            "must start with smtp://, smtp+starttls:// or smtps://, and name a host",
        )
        refuse(
            parts.scheme == "smtp" and parts.password and outside_development(info),
            "must not send its password in plain text: use smtp+starttls:// or smtps://",
        )
        refuse_default_password(parts, info)
        # With smtp:// an attacker on the way can hide that the server offers STARTTLS.
        refuse_plaintext(parts.hostname or "", parts.scheme != "smtp", info)
        return url

    @field_validator("public_base_url")
    @classmethod
    def _public_base_url(cls, url: str, info: ValidationInfo) -> str:
        parts = split_url(url)
        reachable = parts.scheme == "https" and not is_local(parts.hostname or "")
        refuse(
            not reachable and mails_in_production(info),
            "must be an https URL that other machines reach, because mails link to it",
        )
        refuse(
            not reachable and in_production(info) and info.data.get("signing_keys"),
            "must be an https URL that other machines reach, because it is the issuer "
            "of tokens that SIGNING_KEYS signs for other services",
        )
        return url

    @field_validator("mail_from")
    @classmethod
    def _mail_from(cls, sender: str, info: ValidationInfo) -> str:
        _, address = parseaddr(sender)
        refuse(
            "@" not in address or not sender.isprintable(), "must be an e-mail address"
        )
        refuse(
            is_local(address.rpartition("@")[2]) and mails_in_production(info),
            "must be an address that other machines reach, so that people can answer",
        )
        return sender

    @property
    def heartbeat_seconds(self) -> float:
        """The longest time between two heartbeats: one mail, or one idle wait."""
        return self.outbox_lease_seconds + self.outbox_poll_seconds

    @property
    def delivers_mail_in_process(self) -> bool:
        if self.outbox_in_process is None:
            return self.environment == "development" and self.on_sqlite
        return self.outbox_in_process

    @property
    def writes_mail_to_files(self) -> bool:
        """Whether development can write mail to files, if there is no mail server.

        The files would also get the mail of other developers who share the outbox. On
        PostgreSQL this is possible, so there OUTBOX_IN_PROCESS must allow it.
        """
        its_own = self.on_sqlite or bool(self.outbox_in_process)
        return self.environment == "development" and its_own
