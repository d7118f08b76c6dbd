"""The commands that deliver mail and look after what was not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.config import Settings
from app.db.base import utc_now
from app.db.models import OutboxMail
from app.db.session import Database, transaction

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
    def test_needs_to_know_how_to_send(self, settings: Settings) -> None:
        secret = "k7Vq" + "0aZ4m9Xw" * 5
        answer = nightproof(
            settings, "worker", ENVIRONMENT="staging", SECRET_KEY=secret
        )

        assert answer.startswith("1\n")
        assert "SMTP_URL is not set" in answer
        assert "Traceback" not in answer
