"""A process that starts without a necessary setting does not harm the data."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from app.core.config import Settings
from app.db.session import Database, transaction
from app.services.mail.outbox import Outbox
from testbed.service import (
    ROOT,
    WORKER_CLASSES,
    command,
    make_environment,
    start_service,
)

UNTOUCHED = text(
    "SELECT count(*) FROM outbox_mails WHERE sent_at IS NULL AND attempts = 0"
)


@pytest.fixture(params=WORKER_CLASSES)
def worker_class(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
class TestDatabaseOfAnotherService:
    @pytest.fixture
    async def database(self, settings: Settings) -> Database:
        """A database in which a mail waits."""
        database = Database(settings)
        async with transaction(database) as session:
            await Outbox(session).add("account_exists", "ada@example.org")
        return database

    async def test_a_start_without_environment_is_refused(
        self, database: Database, database_url: str, tmp_path: Path, worker_class: str
    ) -> None:
        """Mutant: make development the default for every database."""
        environment = make_environment(tmp_path, DATABASE_URL=database_url)
        del environment["ENVIRONMENT"], environment["SECRET_KEY"]

        ended = await asyncio.to_thread(
            command,
            *("app.main:app", "--config", str(ROOT / "gunicorn.conf.py")),
            *("--bind", "127.0.0.1:0", "--worker-class", worker_class),
            environment=environment,
            program=("-m", "gunicorn"),
        )

        assert ended.returncode == 1
        assert "\n  ENVIRONMENT must be set" in ended.stderr
        assert "\n  SECRET_KEY is missing" in ended.stderr
        assert "Traceback" not in ended.stderr
        await self.assert_mail_waits(database)

    async def test_development_leaves_its_mail_alone_and_warns(
        self, database: Database, database_url: str, tmp_path: Path, worker_class: str
    ) -> None:
        """Mutant: write the mail to files, because development has no SMTP_URL."""
        environment = make_environment(tmp_path, DATABASE_URL=database_url)
        arguments = ("--worker-class", worker_class)

        with start_service(tmp_path, *arguments, environment=environment) as service:
            assert service.stop() == 0

        log = service.log()
        [warning] = [line for line in log if line["event"] == "settings.weak"]
        assert warning["settings"] == [
            "ENVIRONMENT is development: /docs is public, registration is open."
        ]
        assert "mail.waits" in [line["event"] for line in log]
        assert not (tmp_path / "var").exists()
        await self.assert_mail_waits(database)

    async def assert_mail_waits(self, database: Database) -> None:
        async with transaction(database) as session:
            assert await session.scalar(UNTOUCHED) == 1
        await database.close()
