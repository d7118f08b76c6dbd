"""Kill the worker while it delivers mail: no mail is lost.

    python -m drills.outbox [--mails 500] [--kills 10]

Some changes are rolled back, and their mail must never arrive. The worker runs in a
separate process. The drill kills it with SIGKILL at the worst moments: before the SMTP
server keeps a mail, after the server has kept the mail but before the worker knows
this, and at random moments between two mails. Then the drill starts another worker, as
a supervisor would.
"""

import asyncio
import random
import subprocess
import time
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from app.core.config import Settings
from app.core.errors import Conflict
from app.db import migrate
from app.db.session import Database, transaction
from app.schemas.user import UserRegister
from app.services.accounts.users import UserService
from app.services.mail import outbox
from drills.program import main, make_parser
from drills.timeline import Outcome
from testbed.mailbox import Mailbox, smtp_server
from testbed.postgres import start_postgres
from testbed.service import make_environment, start_worker

ROLLED_BACK_EVERY = 5
POINTS = ("unkept", "kept", "between")
DELIVERED_WITHIN_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a drill.

    `lag_seconds` begins with the last kill, or with the last change if that was later.
    It ends when no mail is pending.
    """

    owed: int  # mails that must arrive
    arrived: int  # different messages
    copies: int  # of messages that had already arrived
    unowed: int  # mails for changes that were rolled back
    kills: int
    lag_seconds: float

    @property
    def kept_its_promises(self) -> bool:
        return self.arrived == self.owed and not self.unowed

    def __str__(self) -> str:
        return (
            f"{self.arrived} of {self.owed} mails arrived with {self.kills} "
            f"kills, {self.copies} copies under a known Message-ID, {self.unowed} for "
            f"rolled-back changes, done {self.lag_seconds:.1f} s after the last "
            "kill or change"
        )


class Worker:
    """A worker process that is replaced each time it is killed."""

    def __init__(self, home: Path, settings: Settings) -> None:
        self.environment = make_environment(
            home,
            DATABASE_URL=settings.database_url,
            SMTP_URL=settings.smtp_url,
            OUTBOX_LEASE_SECONDS="1",
            OUTBOX_POLL_SECONDS="0.05",
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = start_worker(self.environment)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def is_dead(self) -> bool:
        return self.process is None or self.process.poll() is not None


class Killer:
    """Decides at which mails, and at which moment, the worker is killed."""

    def __init__(self, mails: int, kills: int, seed: int) -> None:
        victims = random.Random(seed).sample(range(mails * 9 // 10), kills)
        self.planned = dict(zip(victims, cycle(POINTS), strict=False))
        self.seen = -1
        self.kills = 0
        self.last_kill_at = 0.0
        self.worker: Worker | None = None

    def interrupt(self, kept: bool) -> None:
        """Kill the worker if that is planned.

        The SMTP server calls this before and after it keeps a mail.
        """
        if not kept:
            self.seen += 1
        plan = self.planned.get(self.seen)
        if plan == "between" and kept:
            # The worker learns that the server kept the mail, and is killed soon after.
            asyncio.get_running_loop().call_later(random.uniform(0, 0.02), self._kill)
            del self.planned[self.seen]
        elif plan == ("kept" if kept else "unkept"):
            self._kill()
            del self.planned[self.seen]
            if not kept:
                raise ConnectionError

    def _kill(self) -> None:
        assert self.worker is not None
        self.worker.kill()
        self.kills += 1
        self.last_kill_at = time.monotonic()


def make_settings(database_url: str, smtp_url: str = "") -> Settings:
    return Settings(
        _env_file=None,
        environment="development",
        secret_key="a-key-of-the-drills-0123456789-abcdef",
        database_url=database_url,
        smtp_url=smtp_url,
    )


async def drill(
    home: Path, database_url: str, *, mails: int, kills: int, seed: int
) -> Report:
    """Run the drill on a migrated database without mail in it."""
    killer = Killer(mails, kills, seed)
    with smtp_server(killer.interrupt) as (smtp_url, mailbox):
        settings = make_settings(database_url, smtp_url)
        killer.worker = worker = Worker(home, settings)
        database = Database(settings)
        try:
            worker.start()
            changes = asyncio.create_task(change(database, mails))
            supervisor = asyncio.create_task(supervise(worker))
            await changes
            changed = time.monotonic()
            await wait_until_delivered(database)
            lag = time.monotonic() - max(changed, killer.last_kill_at)
            supervisor.cancel()
        finally:
            worker.kill()
            await database.close()
    return report(mailbox, mails, killer.kills, lag)


async def change(database: Database, mails: int) -> None:
    """Add a user for each mail, and some users whose transaction fails."""
    for number in range(mails):
        await add_user(database, f"user{number}@example.org")
        if number % ROLLED_BACK_EVERY == 0:
            try:
                await add_user(database, f"nobody{number}@example.org", fails=True)
            except Conflict:
                continue


async def add_user(database: Database, email: str, *, fails: bool = False) -> None:
    async with transaction(database) as session:
        data = UserRegister(email=email, password="never used")
        users = UserService(session, outbox.Outbox(session), must_verify=True)
        await users.add(data, "no hash", verified=True)
        await outbox.Outbox(session).add("account_exists", email)
        if fails:
            raise Conflict("This change must be rolled back.")


async def supervise(worker: Worker) -> None:
    while True:
        if worker.is_dead:
            worker.start()
        await asyncio.sleep(0.02)


async def wait_until_delivered(database: Database) -> None:
    async with asyncio.timeout(DELIVERED_WITHIN_SECONDS):
        while True:
            async with transaction(database) as session:
                status = await outbox.read_status(session)
            if not status.pending:
                return
            await asyncio.sleep(0.05)


def report(mailbox: Mailbox, owed: int, kills: int, lag: float) -> Report:
    recipients = [str(message["To"]) for message in mailbox.messages]
    different = set(mailbox.message_ids)
    return Report(
        owed=owed,
        arrived=len(different),
        copies=len(recipients) - len(different),
        unowed=sum(recipient.startswith("nobody") for recipient in recipients),
        kills=kills,
        lag_seconds=lag,
    )


async def prepared(home: Path, database_url: str, **options: int) -> Report:
    await migrate.upgrade(make_settings(database_url))
    return await drill(home, database_url, **options)


def run(home: Path, **options: int) -> Outcome:
    reports = {}
    with start_postgres(home) as postgres:
        for url in (f"sqlite:///{home / 'drill.db'}", postgres.url):
            found = asyncio.run(prepared(home, url, **options))
            reports[url.partition(":")[0]] = found
    broken = [f"{it}" for it, each in reports.items() if not each.kept_its_promises]
    return Outcome("; ".join(f"{it}: {each}" for it, each in reports.items()), broken)


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--mails", type=int, default=500)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    main(parser, run)
