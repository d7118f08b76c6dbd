"""PostgreSQL stands still, and all its connections stay open."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.core.config import Settings
from app.db import migrate
from testbed.accounts import PASSWORD
from testbed.postgres import PostgresServer, start_postgres
from tests.support.people import People
from tests.support.timeouts import holding, until

DEADLINE_SECONDS = 2.0
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
    """Every timeout ends just before the deadline, which therefore ends the request."""
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
    postgres: PostgresServer, people: People
) -> None:
    """Mutant: SQLAlchemy's own `terminate`, which waits for two seconds more."""
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

    assert [each.status_code for each in answers] == [504] * 3
    assert took < 1.7 * DEADLINE_SECONDS
    assert (await user.get("/users/me")).status_code == 200
