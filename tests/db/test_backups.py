"""Backups that can be restored, on both databases and while clients write."""

import asyncio
import os
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from subprocess import CompletedProcess
from time import time
from uuid import uuid4

import pytest
from fastapi import FastAPI
from sqlalchemy import make_url, text

from app.core.config import Settings
from app.db import backups, migrate
from app.db.session import Database, transaction
from testbed.postgres import execute
from testbed.service import command, make_environment
from tests.api.test_metrics import scrape, total
from tests.conftest import make_settings

Run = Callable[..., Awaitable["CompletedProcess[str]"]]
COUNT = "SELECT count(*) FROM pairs"
MADE = "backup_last_success_timestamp_seconds"
VERIFIED = "restore_last_verified_timestamp_seconds"
# Runs the command as on a machine without the wheel that contains `pg_dump`.
WITHOUT_WHEEL = """
import importlib.util

importlib.util.find_spec = lambda _: None
from app.cli import main

main()
"""


@pytest.fixture
def run(tmp_path: Path, settings: Settings) -> Run:
    async def run(*line: object, url: str = "", **kwargs: str) -> object:
        environment = make_environment(
            tmp_path, DATABASE_URL=url or settings.database_url
        )
        arguments = ("db", *map(str, line))
        return await asyncio.to_thread(command, *arguments, environment=environment)

    return run  # type: ignore[return-value]


@pytest.fixture
async def empty_url(
    settings: Settings, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncGenerator[str]:
    if settings.on_sqlite:
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server = request.getfixturevalue("postgres_url")
    name = f"test_{uuid4().hex}"
    await execute(server, f"CREATE DATABASE {name}")
    url = make_url(settings.database_url).set(database=name)
    yield url.render_as_string(hide_password=False)
    await execute(server, f"DROP DATABASE {name} WITH (FORCE)")


async def change(url: str, *statements: str) -> None:
    async with (
        Database(make_settings(database_url=url)) as database,
        transaction(database) as session,
    ):
        for statement in statements:
            await session.execute(text(statement))


async def number(url: str, query: str) -> int:
    async with Database(make_settings(database_url=url)) as database:
        return await number_in(database, query)


async def number_in(database: Database, query: str) -> int:
    [row] = await database.read.all(text(query), {})
    return int(row[0])


async def write_pairs(database: Database, name: int, done: asyncio.Event) -> None:
    """Write both sides of a pair in each transaction, but in two statements."""
    step = 0
    while not done.is_set():
        async with transaction(database) as session:
            for side in (1, 2):
                insert = "INSERT INTO pairs VALUES (:name, :step, :side)"
                values = {"name": name, "step": step, "side": side}
                await session.execute(text(insert), values)
        step += 1


async def test_a_backup_during_writes_shows_one_moment(
    run: Run, settings: Settings, tmp_path: Path, empty_url: str
) -> None:
    """Mutants: copy the SQLite file; dump each table in a transaction of its own."""
    url, file = settings.database_url, tmp_path / "backup"
    await change(url, "CREATE TABLE pairs (name integer, step integer, side integer)")
    done = asyncio.Event()
    async with Database(settings) as database, asyncio.TaskGroup() as writers:
        for name in range(3):
            writers.create_task(write_pairs(database, name, done))
        # Do not count with a second `Database`. When a process closes a file of SQLite,
        # it loses all its locks on this file. A command could then delete the WAL.
        while await number_in(database, COUNT) < 200:
            await asyncio.sleep(0)
        before = await number_in(database, COUNT)
        backup = await run("backup", file)
        after = await number_in(database, COUNT)
        verified = await run("restore", file, "--verify")
        done.set()

    restored = await run("restore", file, url=empty_url)

    assert backup.stdout == f"Wrote {file} ({file.stat().st_size} bytes).\n", (
        backup.stderr
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [name for name in os.listdir(tmp_path) if "backup" in name] == ["backup"]
    rows = await number(empty_url, COUNT)
    assert before <= rows <= after
    assert before < after  # there were writes during the backup
    halves = "SELECT name FROM pairs GROUP BY name, step HAVING count(*) <> 2"
    broken = f"SELECT count(*) FROM ({halves}) AS broken"
    assert await number(empty_url, broken) == 0
    for ended in (verified, restored):
        assert f"pairs: {rows} rows\n" in ended.stdout, ended.stderr
    assert "\nThe database is at " in restored.stdout


async def test_the_metrics_show_the_last_backup(
    run: Run, app: FastAPI, settings: Settings, tmp_path: Path
) -> None:
    """A verification stores its time, too. It stores nothing if there is no database.

    Mutants: use one time for both metrics; fail if the table of events is missing;
    create a missing database.
    """
    file, began = tmp_path / "backup", time()
    before = await scrape(app)
    await run("backup", file)
    made = await scrape(app)
    await run("restore", file, "--verify")
    verified = await scrape(app)
    if settings.on_sqlite:
        absent = tmp_path / "absent.db"
        elsewhere = await run("restore", file, "--verify", url=f"sqlite:///{absent}")
        assert (elsewhere.returncode, absent.exists()) == (0, False)
    await change(settings.database_url, "DROP TABLE audit_events")
    unstored = await run("backup", file)
    kept = await scrape(app)

    assert [total(each, MADE) for each in (before, verified)] == [0, total(made, MADE)]
    assert [total(each, VERIFIED) for each in (before, made)] == [0, 0]
    assert began < total(made, MADE) < total(verified, VERIFIED) < time()
    assert (unstored.returncode, unstored.stdout[:6]) == (0, "Wrote ")
    assert "The database could not store backup.made" in unstored.stderr
    assert total(kept, MADE) == total(made, MADE)


@pytest.mark.usefixtures("without_notes")
class TestRestore:
    async def test_replaces_a_database_only_by_force(
        self, settings: Settings, tmp_path: Path
    ) -> None:
        """Mutants: replace tables that have rows without `--force`; keep their rows."""
        url, file = settings.database_url, tmp_path / "backup"
        await change(url, "CREATE TABLE extra (id integer)")
        await change(url, "INSERT INTO extra VALUES (1)")
        await backups.back_up(settings, file)
        await change(url, "INSERT INTO extra VALUES (2)")

        with pytest.raises(backups.NotEmpty):
            await backups.restore(settings, file, force=False)
        assert await number(url, "SELECT count(*) FROM extra") == 2

        await backups.restore(settings, file, force=True)
        assert await number(url, "SELECT count(*) FROM extra") == 1
        await change(url, "DROP TABLE extra")
        await migrate.check(settings)

    async def test_a_damaged_file_changes_nothing(
        self, run: Run, settings: Settings, tmp_path: Path, empty_url: str
    ) -> None:
        """Mutants: restore without a transaction; do not check the file."""
        file = tmp_path / "backup"
        await backups.back_up(settings, file)
        whole = file.read_bytes()
        lost = 5000 if settings.on_sqlite else 100  # a page, or the last rows
        file.write_bytes(whole[:-lost])

        with pytest.raises(backups.BackupFailed):
            await backups.verify(settings, file)
        forced = await run("restore", file, "--force")
        missing = await run("restore", tmp_path / "none", url=empty_url)

        for ended in (forced, missing):
            assert (ended.returncode, ended.stdout) == (1, "")
            assert ended.stderr.startswith("Error: ")
            assert ended.stderr.count("\n") == 1, ended.stderr
        await migrate.check(settings)
        if settings.on_sqlite:
            assert "empty.db" not in os.listdir(tmp_path)


def test_names_the_missing_client_and_hides_the_password(
    postgres_url: str, tmp_path: Path
) -> None:
    """Mutants: print a traceback; pass the password as an option; keep half a file."""
    password = make_url(postgres_url).password or ""
    environment = make_environment(tmp_path, DATABASE_URL=postgres_url)
    environment["PATH"] = str(tmp_path)
    line = ("db", "backup", "backup")
    (tmp_path / "backup").write_text("the last good one")

    missing = command(*line, environment=environment, program=("-c", WITHOUT_WHEEL))
    program = tmp_path / "pg_dump"
    program.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/seen\necho "no: $PGUSER" >&2\nexit 1\n'
    )
    program.chmod(0o700)
    failed = command(*line, environment=environment, program=("-c", WITHOUT_WHEEL))

    assert missing.stderr == (
        "Error: pg_dump is not installed. Install the client of PostgreSQL, at least "
        "as new as the server.\n"
    )
    assert (failed.returncode, failed.stderr) == (1, "Error: no: app\n")
    seen = (tmp_path / "seen").read_text()
    assert "--format=custom" in seen
    assert password not in seen
    assert (tmp_path / "backup").read_text() == "the last good one"
    assert not [*tmp_path.glob(".backup*")]
