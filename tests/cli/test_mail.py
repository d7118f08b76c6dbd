"""The commands that deliver mail and look after what was not."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from signal import SIGKILL
from threading import Event

import pytest

from app.core.config import Settings
from app.db.base import utc_now
from app.db.models import OutboxMail
from app.db.session import Database, transaction
from app.services.mail.outbox import Outbox, read_status
from tests.support.mail import smtp_server
from tests.support.processes import ENVIRONMENT, leashed

ROOT = Path(__file__).parents[2]


def nightproof(settings: Settings, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=ROOT,
        env={
            "PATH": os.defpath,
            "DATABASE_URL": settings.database_url,
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return f"{done.returncode}\n{done.stdout}{done.stderr}"


def start_worker(settings: Settings, smtp_url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        leashed((sys.executable, "-m", "app", "worker"), SIGKILL, "-"),
        cwd=ROOT,
        env=ENVIRONMENT | {"DATABASE_URL": settings.database_url, "SMTP_URL": smtp_url},
        stdout=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
class TestOutbox:
    async def test_shows_what_was_given_up_and_tries_it_again(
        self, settings: Settings
    ) -> None:
        database = Database(settings)
        mail = {"template": "account_exists", "context": {}, "due_at": utc_now()}
        async with transaction(database) as session:
            session.add(OutboxMail(recipient="ada@example.org", **mail))
            session.add(
                OutboxMail(
                    recipient="gone@example.org",
                    dead_at=utc_now(),
                    last_error="550 no such user",
                    **mail,
                )
            )
        await database.close()

        status = nightproof(settings, "outbox", "status")

        assert "Waiting: 1, the oldest for" in status
        assert "Given up: 1" in status
        assert "account_exists: 550 no such user" in status
        assert nightproof(settings, "outbox", "replay") == (
            "0\nMail to be tried again: 1\n"
        )
        assert "Waiting: 2" in nightproof(settings, "outbox", "status")


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
class TestWorker:
    async def test_delivers_until_it_is_told_to_stop(self, settings: Settings) -> None:
        arrived = Event()
        with smtp_server(lambda kept: arrived.set() if kept else None) as (url, _):
            database = Database(settings)
            async with transaction(database) as session:
                await Outbox(session).add("account_exists", "ada@example.org")
            worker = start_worker(settings, url)
            assert await asyncio.to_thread(arrived.wait, 60)

            worker.terminate()

            assert await asyncio.to_thread(worker.wait, 30) == 0
        async with transaction(database) as session:
            assert (await read_status(session)).pending == 0
        await database.close()

    def test_needs_to_know_how_to_send(self, settings: Settings) -> None:
        secret = "k7Vq" + "0aZ4m9Xw" * 5
        answer = nightproof(
            settings, "worker", ENVIRONMENT="staging", SECRET_KEY=secret
        )

        assert answer.startswith("1\n")
        assert "SMTP_URL is not set" in answer
        assert "Traceback" not in answer
