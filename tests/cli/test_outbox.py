import json
from pathlib import Path

import pytest

from app.core.config import Settings
from app.db.base import utc_now
from app.db.models.outbox_mail import OutboxMail
from app.db.session import Database, transaction
from testbed.service import command, make_environment


@pytest.fixture
def environment(settings: Settings, tmp_path: Path) -> dict[str, str]:
    return make_environment(tmp_path, DATABASE_URL=settings.database_url)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
class TestOutbox:
    async def test_shows_failed_mail_and_retries_it(
        self, settings: Settings, environment: dict[str, str]
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

        status = command("outbox", "status", environment=environment).stdout

        assert "Pending: 1 (oldest: " in status
        assert "Failed: 1" in status
        assert "account_exists: 550 no such user" in status
        shown = command("outbox", "status", "--json", environment=environment).stdout
        counts = json.loads(shown)
        assert (counts["pending"], counts["failed"], counts["delivered"]) == (1, 1, 0)
        assert counts["failed_mails"][0]["error"] == "550 no such user"
        replay = command("outbox", "replay", environment=environment)
        assert (replay.returncode, replay.stderr) == (0, "")
        assert replay.stdout == "Mails queued again: 1\n"
        mail_id = counts["failed_mails"][0]["id"]
        again = command("outbox", "replay", mail_id, environment=environment)
        assert (again.returncode, again.stdout) == (1, "Mails queued again: 0\n")
        assert again.stderr == "Error: Not every ID is that of a failed mail.\n"
        status = command("outbox", "status", environment=environment).stdout
        assert "Pending: 2" in status
