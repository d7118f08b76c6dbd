"""Delivering mail: once if nothing fails, at least once if something does."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select, update
from structlog.testing import capture_logs
from structlog.typing import EventDict, WrappedLogger

from app.core.config import Settings
from app.core.errors import Conflict
from app.db.base import utc_now
from app.db.models.outbox_mail import OutboxMail
from app.db.session import Database, transaction
from app.identity import TITLE
from app.services.mail import outbox
from app.services.mail.messages import Mail
from app.services.mail.transports import DeliveryFailed, find_transport
from app.services.mail.worker import MAX_ATTEMPTS, MailWorker, retry_delay
from testbed.mailbox import Mailbox, link_in, smtp_server
from tests.conftest import make_settings
from tests.support.people import Client, People


class BrokenTransport:
    """Fails the given number of times, or hangs."""

    def __init__(self, failures: int = 10**6, *, hangs: bool = False) -> None:
        self.failures = failures
        self.hangs = hangs
        self.sent: list[Mail] = []
        self.called = asyncio.Event()

    async def send(self, mail: Mail) -> None:
        self.called.set()
        if self.hangs:
            await asyncio.Event().wait()
        if self.failures:
            self.failures -= 1
            raise DeliveryFailed("the server is down")
        self.sent.append(mail)

    async def rest(self) -> None:
        pass


@pytest.fixture
async def database(settings: Settings) -> AsyncGenerator[Database]:
    database = Database(settings)
    yield database
    await database.close()


@pytest.fixture
def mailbox() -> Iterator[tuple[str, Mailbox]]:
    with smtp_server() as (url, mailbox):
        yield url, mailbox


def make_worker(
    database: Database, settings: Settings, transport: Any = None
) -> MailWorker:
    transport = transport or find_transport(settings)
    assert transport is not None
    return MailWorker(database, settings, transport, asyncio.Event())


async def owe(database: Database, *recipients: str | None) -> None:
    async with transaction(database) as session:
        for recipient in recipients:
            await outbox.Outbox(session).add(
                "reset_password",
                recipient,
                link="https://example.org/account/reset-password#app_vt_secret",
                valid_for="30 minutes",
            )


async def rows(database: Database) -> list[OutboxMail]:
    async with transaction(database) as session:
        found = await session.scalars(select(OutboxMail).order_by(OutboxMail.id))
        return list(found)


async def make_due(database: Database) -> None:
    async with transaction(database) as session:
        await session.execute(update(OutboxMail).values(due_at=utc_now()))


def with_smtp(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"smtp_url": url})


class TestDelivery:
    async def test_sends_text_and_html_and_then_forgets_the_link(
        self, database: Database, settings: Settings, mailbox: tuple[str, Mailbox]
    ) -> None:
        await owe(database, "ada@example.org", None)

        worker = make_worker(database, with_smtp(settings, mailbox[0]))
        assert await worker.deliver_due() == 2

        [message] = mailbox[1].messages
        assert message["To"] == "ada@example.org"
        [sender] = message["From"].addresses
        assert (sender.display_name, sender.addr_spec) == (TITLE, "no-reply@localhost")
        assert message["Auto-Submitted"] == "auto-generated"
        assert link_in(message).endswith("#app_vt_secret")
        html = message.get_body(("html",))
        assert html is not None
        assert 'href="https://example.org/' in html.get_content()
        for row in await rows(database):
            assert row.sent_at is not None
            assert row.context == {}
        assert await worker.deliver_due() == 0

    async def test_sends_nothing_for_a_transaction_that_rolled_back(
        self, database: Database, settings: Settings, mailbox: tuple[str, Mailbox]
    ) -> None:
        """Mutant: send while the mail is queued, before the commit."""
        with suppress(Conflict):
            async with transaction(database) as session:
                await outbox.Outbox(session).add("account_exists", "ada@example.org")
                raise Conflict("No.")

        worker = make_worker(database, with_smtp(settings, mailbox[0]))
        assert await worker.deliver_due() == 0

        assert mailbox[1].messages == []

    async def test_sends_each_mail_once_with_several_workers(
        self, database: Database, settings: Settings, mailbox: tuple[str, Mailbox]
    ) -> None:
        """Mutant: let a claim leave the mail due, so that each worker sends it."""
        await owe(database, *(f"user{number}@example.org" for number in range(30)))
        settings = with_smtp(settings, mailbox[0])

        counts = await asyncio.gather(
            *(make_worker(database, settings).deliver_due() for _ in range(3))
        )

        assert sum(counts) == 30
        assert len(set(mailbox[1].message_ids)) == len(mailbox[1].message_ids) == 30

    async def test_takes_over_from_a_worker_that_died(
        self, database: Database, settings: Settings
    ) -> None:
        """Mutant: let a claim never expire, so that the mail is lost."""
        await owe(database, "ada@example.org")
        hanging = BrokenTransport(hangs=True)
        dying = asyncio.create_task(
            make_worker(database, settings, hanging).deliver_due()
        )
        await hanging.called.wait()
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        heir = BrokenTransport(failures=0)

        worker = make_worker(database, settings, heir)
        assert await worker.deliver_due() == 0  # the lease has not expired
        await make_due(database)
        assert await worker.deliver_due() == 1

        [mail] = heir.sent
        assert mail.recipient == "ada@example.org"

    async def test_uses_the_same_message_id_in_every_attempt(
        self, database: Database, settings: Settings
    ) -> None:
        """Mutant: use a new id for each attempt, so that servers keep every copy."""
        await owe(database, "ada@example.org")
        transport = BrokenTransport(failures=0)
        worker = make_worker(database, settings, transport)
        row = await worker._claim()
        assert row is not None

        await transport.send(worker.writer.write(row, "ada@example.org"))
        await make_due(database)
        await worker.deliver_due()

        first, second = transport.sent
        assert first == second


class TestDeliveryFailure:
    async def test_is_retried_later_and_finally_given_up(
        self, database: Database, settings: Settings
    ) -> None:
        await owe(database, "ada@example.org")
        worker = make_worker(database, settings, BrokenTransport())
        for attempt in range(1, MAX_ATTEMPTS + 1):
            before = utc_now()
            assert await worker.deliver_due() == 1
            [row] = await rows(database)
            assert row.attempts == attempt
            assert row.last_error == "DeliveryFailed: the server is down"
            assert (row.dead_at is not None) == (attempt == MAX_ATTEMPTS)
            assert row.dead_at or row.due_at > before + timedelta(seconds=7)
            await make_due(database)

        assert await worker.deliver_due() == 0
        async with transaction(database) as session:
            assert await outbox.replay(session) == 1
        revived = BrokenTransport(failures=0)
        assert await make_worker(database, settings, revived).deliver_due() == 1
        assert revived.sent[0].link is not None

    async def test_gives_up_at_once_if_the_address_does_not_exist(
        self, database: Database, settings: Settings, mailbox: tuple[str, Mailbox]
    ) -> None:
        mailbox[1].answers = {
            "gone@example.org": ["550 no such user"],
            "full@example.org": ["452 mailbox full"],
        }
        await owe(database, "gone@example.org", "full@example.org", "ada@example.org")

        await make_worker(database, with_smtp(settings, mailbox[0])).deliver_due()

        gone, full, ada = await rows(database)
        assert gone.dead_at is not None
        assert "550 no such user" in str(gone.last_error)
        assert (full.dead_at, full.sent_at) == (None, None)
        assert ada.sent_at is not None

    async def test_is_noted_whatever_bytes_the_server_sends(
        self, database: Database, settings: Settings
    ) -> None:
        """Mutant: store the reply as it is, which both databases refuse."""

        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"421 Dienst gest\xf6rt\x1b[2J\0\r\n")
            writer.close()

        await owe(database, "ada@example.org")
        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            latin = with_smtp(settings, f"smtp://127.0.0.1:{port}")
            assert await make_worker(database, latin).deliver_due() == 1

        [row] = await rows(database)
        assert row.attempts == 1
        assert "421 Dienst gest rt [2J" in str(row.last_error)

    async def test_is_final_when_the_link_has_expired(
        self, app: FastAPI, database: Database, settings: Settings, people: People
    ) -> None:
        """Mutant: send a reset link after its 30 minutes, for up to three hours."""
        owner = await people.add()
        client = await people.anonymous()
        await client.post("/auth/password/forgot", json={"email": owner.email})
        broken = make_worker(database, settings, BrokenTransport())
        assert await broken.deliver_due() == 1  # the server is down
        await make_due(database)
        [before] = await rows(database)
        assert before.expires_at is not None
        earlier = before.expires_at - timedelta(minutes=30)
        async with transaction(database) as session:
            await session.execute(update(OutboxMail).values(expires_at=earlier))
        recovered = BrokenTransport(failures=0)
        await make_worker(database, settings, recovered).deliver_due()

        assert before.dead_at is None
        [after] = await rows(database)
        assert after.dead_at is not None
        assert after.last_error == "LinkExpired: the link of the mail has expired"
        assert recovered.sent == []

    async def test_of_the_server_does_not_stop_the_worker(
        self, database: Database, settings: Settings
    ) -> None:
        await owe(database, "ada@example.org")
        nowhere = with_smtp(settings, "smtp://127.0.0.1:1")

        assert await make_worker(database, nowhere).deliver_due() == 1

        [row] = await rows(database)
        assert row.sent_at is None
        assert "SMTPConnectError" in str(row.last_error)

    def test_waits_longer_each_time(self) -> None:
        delays = [retry_delay(attempts) for attempts in range(1, MAX_ATTEMPTS)]

        assert timedelta(seconds=8) <= delays[0] <= timedelta(seconds=12)
        assert max(delays) <= timedelta(hours=1.2)
        assert sum(delays, timedelta()) > timedelta(hours=2)


@asynccontextmanager
async def running(worker: MailWorker) -> AsyncGenerator[None]:
    task = asyncio.create_task(worker.run())
    yield
    worker.stop()
    await task


class TestRunningWorker:
    async def test_wakes_when_mail_is_queued(
        self, database: Database, settings: Settings
    ) -> None:
        """Mutant: do not wake the worker, so that the mail waits for an hour."""
        slow = settings.model_copy(update={"outbox_poll_seconds": 3600.0})
        transport = BrokenTransport(failures=0)
        worker = make_worker(database, slow, transport)

        async with running(worker), asyncio.timeout(60):
            async with transaction(database) as session:
                waiting = outbox.Outbox(session, worker.wake.set)
                await waiting.add("account_exists", "ada@example.org")
            await transport.called.wait()

    async def test_survives_a_database_that_does_not_answer(
        self, database: Database, settings: Settings
    ) -> None:
        """Mutant: log a line for each try during the same outage."""
        worker = make_worker(database, settings, BrokenTransport(failures=0))
        failed = asyncio.Event()
        tries = 0

        async def fail() -> None:
            nonlocal tries
            tries += 1
            (worker.wake if tries < 3 else failed).set()
            raise OSError

        worker._claim, claim = fail, worker._claim  # type: ignore[method-assign]
        async with running(worker), asyncio.timeout(60):
            with capture_logs() as logs:
                await failed.wait()
            assert [line["event"] for line in logs] == ["outbox.unavailable"]
            worker._claim = claim  # type: ignore[method-assign]
            await owe(database, "ada@example.org")
            worker.wake.set()
            transport = worker.transport
            assert isinstance(transport, BrokenTransport)
            await transport.called.wait()


class TestMailInDevelopment:
    @pytest.fixture
    def overrides(self, backend: str, tmp_path: Path) -> dict[str, Any]:
        return {
            "outbox_in_process": None if backend == "sqlite" else True,
            "mail_directory": tmp_path / "mail",
            "outbox_poll_seconds": 3600,
        }

    async def test_is_written_to_a_file_and_its_link_is_logged(
        self, client: Client, tmp_path: Path
    ) -> None:
        body = {"email": "ada@example.org", "password": "violet umbrella parade"}
        kept = asyncio.Event()

        def watch(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
            if line["event"] == "mail.kept":
                kept.set()
            return line

        with capture_logs([watch]) as logs:
            await client.post("/auth/register", json=body)
            async with asyncio.timeout(60):
                await kept.wait()

        [file] = (tmp_path / "mail").glob("*.eml")
        [line] = [line for line in logs if line["event"] == "mail.kept"]
        link = "http://test/account/verify-email#app_vt_"
        assert link in file.read_text()
        assert link in str(line)


class TestFindTransport:
    def test_returns_none_outside_development_without_smtp_url(self) -> None:
        staging = make_settings(
            environment="staging",
            secret_key="k7Vq0aZ4m9XwT2bN8rLcYe5HdJ1uGfS6",
            database_url="sqlite:///x.db",
        )

        assert find_transport(staging) is None
        assert staging.delivers_mail_in_process is False

    @pytest.mark.parametrize(
        ("url", "in_process", "writes_files", "delivers"),
        [
            ("sqlite:///x.db", None, True, True),
            ("sqlite:///x.db", False, True, False),
            ("postgresql://h/d", None, False, False),
            ("postgresql://h/d", False, False, False),
            ("postgresql://h/d", True, True, True),
        ],
    )
    def test_writes_files_only_from_an_outbox_of_the_developer(
        self, url: str, in_process: bool | None, writes_files: bool, delivers: bool
    ) -> None:
        """Mutant: take the mail out of the database of another service."""
        settings = make_settings(database_url=url, outbox_in_process=in_process)

        assert (find_transport(settings) is not None) == writes_files
        assert settings.delivers_mail_in_process == delivers
