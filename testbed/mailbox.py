"""Mail for tests and drills: the rows of the outbox, and a server that accepts mail."""

import re
import socket
from asyncio import AbstractServer
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from threading import Lock
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from fastapi import FastAPI
from sqlalchemy import select

from app.db.models.outbox_mail import OutboxMail
from app.db.session import transaction


async def read_outbox(app: FastAPI) -> Sequence[OutboxMail]:
    """List every mail, the oldest first."""
    async with transaction(app.state.shared.database) as session:
        return (await session.scalars(select(OutboxMail).order_by(OutboxMail.id))).all()


async def mailed(app: FastAPI) -> list[tuple[str, str | None]]:
    """List the template and the recipient of each mail."""
    return [(mail.template, mail.recipient) for mail in await read_outbox(app)]


async def newest_token(app: FastAPI, template: str) -> str:
    """Take the token out of the newest mail with this template."""
    mails = [mail for mail in await read_outbox(app) if mail.template == template]
    return str(mails[-1].context["link"]).partition("#")[2]


class Mailbox:
    """Keeps the mail that an SMTP server accepts.

    `answers` maps a recipient to replies. The server gives one of them at each attempt,
    and then accepts the recipient. It calls `interrupt` twice for each mail: before it
    keeps the mail, and again before it replies. A `ConnectionError` from the first call
    makes the server drop the mail.
    """

    def __init__(self, interrupt: Callable[[bool], None] = lambda kept: None) -> None:
        self.interrupt = interrupt
        self.lock = Lock()
        self.messages: list[EmailMessage] = []
        self.answers: dict[str, list[str]] = {}

    async def handle_RCPT(  # noqa: N802 - its name is its command
        self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: Any
    ) -> str:
        with self.lock:
            if self.answers.get(address):
                return self.answers[address].pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, _: SMTP, __: Session, envelope: Envelope
    ) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        try:
            self.interrupt(False)
        except ConnectionError:
            return "451 The client is gone"
        with self.lock:
            self.messages.append(message)
        self.interrupt(True)
        return "250 OK"

    @property
    def message_ids(self) -> list[str]:
        with self.lock:
            return [str(message["Message-ID"]) for message in self.messages]


class Bound(Controller):
    """Listens on a port that the kernel chooses, so that no other process has it."""

    def _create_server(self) -> Awaitable[AbstractServer]:
        listener = socket.create_server((self.hostname, 0))
        self.port = listener.getsockname()[1]
        return self.loop.create_server(self._factory_invoker, sock=listener)


@contextmanager
def smtp_server(
    interrupt: Callable[[bool], None] = lambda kept: None,
) -> Iterator[tuple[str, Mailbox]]:
    """Run a server in a thread of its own, and yield its URL and its mailbox."""
    mailbox = Mailbox(interrupt)
    controller = Bound(mailbox, hostname="127.0.0.1", port=0, ready_timeout=60)
    controller.start()
    try:
        yield f"smtp://127.0.0.1:{controller.port}", mailbox
    finally:
        controller.stop()


def link_in(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    found = re.search(r"^http\S+", body.get_content(), re.MULTILINE)
    assert found is not None
    return found[0]
