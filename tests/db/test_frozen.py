"""PostgreSQL hangs, and all connections to it stay open."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.core.config import Settings
from app.db import migrate
from testbed.accounts import PASSWORD
from testbed.postgres import PostgresServer, start_postgres
from tests.support.people import People
from tests.support.timeouts import holding, until

DEADLINE_SECONDS = 2.0
POLLS = 300
# Connections of the service that run a statement, or are left in a transaction.
LEFT_BEHIND = """
    SELECT query FROM pg_stat_activity
    WHERE application_name = $1 AND state <> 'idle'
        AND query_start < now() - make_interval(secs => $2)
"""
BOTH_WAIT = "SELECT count(*) = 2 FROM pg_locks WHERE NOT granted"


@pytest.fixture
def backend() -> str:
    return "postgresql"


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[PostgresServer]:
    with start_postgres(tmp_path) as server:
        yield server


@pytest.fixture
def database_url(postgres: PostgresServer) -> str:
    return postgres.url


@pytest.fixture
def overrides() -> dict[str, Any]:
    """Each timeout is almost as long as the deadline, so the deadline ends requests."""
    return {
        "request_deadline_seconds": DEADLINE_SECONDS,
        "db_pool_timeout_seconds": DEADLINE_SECONDS - 0.1,
        "db_connect_timeout_seconds": DEADLINE_SECONDS - 0.1,
        "db_statement_timeout_seconds": DEADLINE_SECONDS - 0.1,
        "db_lock_timeout_seconds": DEADLINE_SECONDS - 0.2,
    }


@pytest.fixture(autouse=True)
async def migrated(settings: Settings) -> None:
    await migrate.upgrade(settings)


async def test_the_answer_comes_at_the_deadline(
    postgres: PostgresServer, people: People, settings: Settings
) -> None:
    """After the answer, no statement and no transaction of the request is left.

    Mutants: use SQLAlchemy's own `terminate`, which waits two seconds more; let
    `terminate` forget the connection without closing it.
    """
    user = await people.sign_in()
    account = {"email": user.email, "password": PASSWORD}
    lock = "SELECT FROM users FOR UPDATE"
    async with holding(postgres.url, lock):
        write = asyncio.create_task(user.patch("/users/me", json={"full_name": "Ada"}))
        login = asyncio.create_task(user.post("/auth/login", json=account))
        await until(postgres.url, BOTH_WAIT, write)
        postgres.pause()
        began = time.monotonic()
        try:
            read = asyncio.create_task(user.get("/users/me"))
            answers = await asyncio.gather(read, write, login)
            took = time.monotonic() - began
        finally:
            postgres.resume()
        # The rows are still locked.
        left = await left_behind(postgres.url, settings.app_name.lower())

    assert left == []
    assert [each.status_code for each in answers] == [504] * 3
    assert took < 1.7 * DEADLINE_SECONDS
    assert (await user.get("/users/me")).status_code == 200


async def left_behind(url: str, service: str) -> list[str]:
    """Poll until no statement is left. Return those that the last poll found."""
    left: list[str] = []
    connection = await asyncpg.connect(url)
    for _ in range(POLLS):
        rows = await connection.fetch(LEFT_BEHIND, service, DEADLINE_SECONDS)
        if not (left := [row["query"] for row in rows]):
            break
        await asyncio.sleep(0.02)
    await connection.close()
    return left
