import asyncio
import os
import signal
from pathlib import Path
from threading import Event

import pytest

from app.core.config import Settings
from app.db.session import Database, transaction
from app.services.mail.outbox import Outbox, read_status
from testbed.mailbox import smtp_server
from testbed.service import command, make_environment, start_worker


@pytest.fixture
def environment(settings: Settings, tmp_path: Path) -> dict[str, str]:
    return make_environment(tmp_path, DATABASE_URL=settings.database_url)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
class TestWorker:
    async def test_delivers_until_it_is_told_to_stop(
        self, settings: Settings, environment: dict[str, str]
    ) -> None:
        arrived = Event()
        with smtp_server(lambda kept: arrived.set() if kept else None) as (url, _):
            database = Database(settings)
            async with transaction(database) as session:
                await Outbox(session).add("account_exists", "ada@example.org")
            worker = start_worker(environment | {"SMTP_URL": url})
            assert await asyncio.to_thread(arrived.wait, 120)

            worker.terminate()

            assert await asyncio.to_thread(worker.wait, 120) == 0
        async with transaction(database) as session:
            assert (await read_status(session)).pending == 0
        await database.close()

    async def test_shows_by_its_heartbeat_that_it_works(
        self, environment: dict[str, str], tmp_path: Path
    ) -> None:
        """The exit code of the worker also tells whether Ctrl-C ended it.

        Mutants: touch the file only once; accept a file of any age as a heartbeat; exit
        with 0 after Ctrl-C.
        """
        heartbeat = tmp_path / "heartbeat"
        environment |= {
            "SMTP_URL": "smtp://127.0.0.1:9",
            "WORKER_HEARTBEAT_FILE": str(heartbeat),
            "OUTBOX_POLL_SECONDS": "0.1",
        }
        check = ("worker", "--check")
        missing = command(*check, environment=environment)
        assert missing.returncode == 1
        assert "no heartbeat" in missing.stderr

        worker = start_worker(environment)
        for _ in range(2):
            while not heartbeat.exists():
                assert worker.poll() is None
                await asyncio.sleep(0.02)
            heartbeat.unlink(missing_ok=True)
        while not heartbeat.exists():
            await asyncio.sleep(0.02)
        assert command(*check, environment=environment).returncode == 0
        worker.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(worker.wait, 120) == 130

        os.utime(heartbeat, (1, 1))
        stale = command(*check, environment=environment)
        assert stale.returncode == 1
        assert "seconds old" in stale.stderr

    def test_refuses_to_start_without_smtp_url(
        self, environment: dict[str, str]
    ) -> None:
        secret = "k7Vq" + "0aZ4m9Xw" * 5
        staging = {"ENVIRONMENT": "staging", "SECRET_KEY": secret}

        ended = command("worker", environment=environment | staging)

        assert ended.returncode == 1
        assert "SMTP_URL is not set" in ended.stderr
        assert "Traceback" not in ended.stderr
