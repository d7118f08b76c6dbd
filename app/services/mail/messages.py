"""Writes mails from templates: one text for each kind of mail, and one HTML layout.

A mail contains no text that a stranger can choose, such as a name. Otherwise strangers
could send their own words to any address.
"""

from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from app.core.settings.mail import MailSettings
from app.db.models.outbox_mail import OutboxMail

# Longer than the default of 78 characters, so that links stay on one line.
POLICY = SMTP.clone(max_line_length=500)

templates = Environment(
    loader=PackageLoader("app.services.mail"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    auto_reload=False,
)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it is delivered. A row of the outbox always gives the same mail."""

    message_id: str
    template: str
    recipient: str
    subject: str
    text: str
    html: str
    link: str | None
    written_at: datetime


class MailWriter:
    """Turns rows of the outbox into mails, and mails into SMTP messages."""

    def __init__(self, settings: MailSettings) -> None:
        name, self.sender = parseaddr(settings.mail_from)
        self.app_name = settings.app_name
        self.from_header = Address(name or self.app_name, addr_spec=self.sender)
        self.domain = self.sender.partition("@")[2]

    def write(self, row: OutboxMail, recipient: str) -> Mail:
        values = {"app_name": self.app_name, **row.context}
        text = templates.get_template(f"{row.template}.txt").render(values)
        subject, _, body = text.removeprefix("Subject: ").partition("\n")
        body = body.strip()
        link = row.context.get("link")
        html = templates.get_template("layout.html").render(
            app_name=self.app_name,
            subject=subject,
            paragraphs=[part.strip() for part in body.split("\n\n")],
            link=link,
        )
        return Mail(
            message_id=f"<{row.id}@{self.domain}>",
            template=row.template,
            recipient=recipient,
            subject=subject,
            text=f"{body}\n",
            html=html,
            link=link,
            written_at=row.created_at,
        )

    def message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage(POLICY)
        message["From"] = self.from_header
        message["To"] = Address(addr_spec=mail.recipient)
        message["Subject"] = mail.subject
        message["Date"] = format_datetime(mail.written_at)
        message["Message-ID"] = mail.message_id  # lets receivers detect a second copy
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic replies
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        return message
