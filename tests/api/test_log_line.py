"""The log line of a request says what the request waited for, and how it ended."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from app.core.config import Settings
from app.core.log_fields import ALLOWED
from app.main import create_application
from tests.support.people import Client, open_client
from tests.support.timeouts import HELD_SECONDS, busy


async def line_of(client: Client, method: str, url: str, **sent: Any) -> dict[str, Any]:
    with capture_logs() as logs:
        await client.request(method, url, **sent)
    [line] = [line for line in logs if line["event"] == "http.request"]
    assert line.keys() <= ALLOWED | {"log_level"}
    return dict(line)


async def test_counts_what_the_request_waited_for(user: Client, backend: str) -> None:
    """Mutants: do not count reads by key; do not count statements of SQLAlchemy."""
    written = await line_of(user, "POST", "/notes", json={"title": "Groceries"})
    read = await line_of(user, "GET", "/users/me")

    assert written["db_queries"] > read["db_queries"] >= 1
    for line in (written, read):
        assert 0 < line["db_ms"] < line["duration_ms"]
    if backend == "postgresql":
        login = {"json": {"email": user.email, "password": "x" * 12}}
        limited = await line_of(user, "POST", "/auth/login", **login)
        assert limited["redis_calls"] >= 1
        assert 0 < limited["redis_ms"] < limited["duration_ms"]


async def test_says_how_long_the_request_waited_for_a_connection(
    app: FastAPI, user: Client
) -> None:
    """Mutants: log only the time of statements; add the wait to that time."""
    note = {"title": "Groceries"}
    async with busy(app.state.shared.database.writer):
        writing = asyncio.create_task(line_of(user, "POST", "/notes", json=note))
    line = await writing

    assert line["status_code"] == 201
    assert line["db_wait_ms"] > 0.9 * HELD_SECONDS * 1000
    assert line["db_wait_ms"] + line["db_ms"] < line["duration_ms"]


async def test_names_the_caller_and_the_mails_of_the_request(user: Client) -> None:
    me = await line_of(user, "GET", "/users/me")
    asked = {"json": {"email": user.email}}
    forgot = await line_of(user, "POST", "/auth/password/forgot", **asked)

    assert me["user_id"] == user.user_id
    assert me["session_id"]
    assert len(forgot["mails"]) == 1


async def test_says_what_an_idempotency_key_did(user: Client) -> None:
    keyed = {"json": {"title": "a"}, "headers": {"Idempotency-Key": str(uuid4())}}

    lines = [await line_of(user, "POST", "/notes", **keyed) for _ in range(2)]

    assert [line["idempotency"] for line in lines] == ["stored", "replayed"]


class TestRefusal:
    @pytest.fixture
    def overrides(self) -> dict[str, Any]:
        return {"rate_limit_requests": 1}

    async def test_names_the_limits(self, client: Client) -> None:
        """Mutant: name only the limits that clients see."""
        login: dict[str, Any] = {
            "json": {"email": "a@example.org", "password": "x" * 12}
        }
        await client.post("/auth/login", **login)

        line = await line_of(client, "POST", "/auth/login", **login)

        assert (line["status_code"], line["log_level"]) == (429, "warning")
        assert line["rate_limit"] == "refused"
        assert line["rate_limit_violated"]
        assert line["error_type"] == "rate_limited"


async def test_has_the_level_error_while_the_database_is_down(
    settings: Settings, backend: str
) -> None:
    """Mutant: log nothing above `warning` in an outage."""
    if backend == "sqlite":
        pytest.skip("SQLite has no server that can be down.")
    url = settings.database_url.replace(settings.database_url.split("/")[2], "[::1]:1")
    down = settings.model_copy(update={"database_url": url})
    app = create_application(down)
    with capture_logs() as logs:
        async with app.router.lifespan_context(app), open_client(app) as client:
            login = {"email": "ada@example.org", "password": "x"}
            line = await line_of(client, "POST", "/auth/login", json=login)

    assert (line["status_code"], line["log_level"]) == (503, "error")
    assert line["error_type"] == "dependency_unavailable"
    outages = [
        (each["dependency"], each["log_level"])
        for each in logs
        if each["event"] == "dependency.unhealthy"
    ]
    assert sorted(outages) == [("database", "error"), ("schema", "error")]
