"""SQLite with several processes."""

import asyncio
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db.session import Database, transaction
from tests.conftest import make_settings

PROCESSES, LANES, ROUNDS = 4, 3, 100

WORKER = """
import asyncio, sys
from sqlalchemy import text
from app.core.config import Settings
from app.db import sqlite
from app.db.session import Database, transaction

sqlite.BUSY_TIMEOUT_SECONDS = 120  # SQLite's lock has no queue

async def lane(database):
    for _ in range({rounds}):
        async with transaction(database) as session:
            found = await session.execute(text("SELECT value FROM counter"))
            value = found.scalar_one()
            await session.execute(
                text("UPDATE counter SET value = :value"), {{"value": value + 1}}
            )

async def main():
    database = Database(Settings(_env_file=None, database_url=sys.argv[1]))
    await asyncio.gather(*(lane(database) for _ in range({lanes})))
    await database.close()

asyncio.run(main())
"""


async def test_four_processes_lose_no_update(sqlite_database_url: str) -> None:
    """Mutant: use a deferred BEGIN, which loses most updates or fails at once."""
    file = sqlite_database_url.removeprefix("sqlite:///")
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE counter (value INTEGER)")
        connection.execute("INSERT INTO counter VALUES (0)")
    connection.close()
    program = WORKER.format(rounds=ROUNDS, lanes=LANES)

    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program,
            sqlite_database_url,
            cwd=Path(__file__).parents[2],
            stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(PROCESSES)
    ]
    errors = [(await process.communicate())[1].decode() for process in processes]

    assert errors == [""] * PROCESSES
    connection = sqlite3.connect(file)
    [[value]] = connection.execute("SELECT value FROM counter")
    connection.close()
    assert value == PROCESSES * LANES * ROUNDS


@pytest.fixture
def _generous_umask() -> Iterator[None]:
    """Set the umask to 0, as gunicorn does: all accounts could read a new file."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_generous_umask")
async def test_only_the_owner_reads_the_files_of_a_new_database(tmp_path: Path) -> None:
    """The files contain links and hashes. Mutant: let the umask choose the modes."""
    url = f"sqlite:///{tmp_path}/var/app.db"
    async with Database(make_settings(database_url=url)) as database:
        async with transaction(database) as session:
            await session.execute(text("CREATE TABLE notes (title TEXT)"))
        directory = tmp_path / "var"
        modes = {file.name: file.stat().st_mode & 0o777 for file in directory.iterdir()}

    assert modes == {"app.db": 0o600, "app.db-wal": 0o600, "app.db-shm": 0o600}
    assert directory.stat().st_mode & 0o777 == 0o700
