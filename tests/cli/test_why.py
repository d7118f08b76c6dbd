"""`why` shows what happened to a request, from the log and the database."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from app.core.config import Settings
from app.core.logging import configure_logging, writer
from testbed.accounts import PASSWORD
from testbed.service import command, make_environment
from tests.support.people import Client

ID = "a-request-1"
Why = Callable[..., str]


@pytest.fixture
def why(settings: Settings, tmp_path: Path, app: FastAPI) -> Why:
    """Run the command with the lines of `log`, on the database of the application."""

    def run(*arguments: str, log: str = "", **changed: str) -> str:
        given = {"DATABASE_URL": settings.database_url, **changed}
        environment = make_environment(tmp_path, **given)
        logs = ("--logs", "-") if log else ()
        ended = command("why", *arguments, *logs, environment=environment, stdin=log)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    return run


async def ask(
    client: Client, capfd: pytest.CaptureFixture[str], url: str, **sent: Any
) -> str:
    """Send a request with `ID`, and return the log."""
    configure_logging(level="info", json=True)
    await client.post(url, **sent, headers={"X-Request-ID": ID})
    writer.drain(60)
    return capfd.readouterr().out


async def test_shows_the_caller_and_the_mails_and_audit_events_of_a_request(
    user: Client, why: Why, capfd: pytest.CaptureFixture[str]
) -> None:
    """Mutants: leave the mails out of the log line; look for audit events by user."""
    url, password = "/auth/password/change", "an orange typewriter of glass"
    old = {"current_password": PASSWORD}
    log = await ask(user, capfd, url, json={**old, "new_password": password})
    story = why(ID, log=log)
    told = json.loads(why(ID, "--json", log=log))

    assert f"POST /api/v1{url}: " in story
    assert user.email in story
    assert "account:write" in story
    assert f"mail       {told['mails'][0]['template']} waits, attempts 0" in story
    assert told["request"]["request_id"] == ID
    assert told["audit_events"][0]["request_id"] == ID
    assert f"audit      {told['audit_events'][0]['event']} success" in story
    assert password not in story


async def test_shows_the_limit_that_refused_and_the_lines_of_the_request(
    client: Client, why: Why, capfd: pytest.CaptureFixture[str]
) -> None:
    log = await ask(client, capfd, "/users/me")
    line = {"event": "http.request", "request_id": ID}
    refused = {
        "rate_limit": "refused",
        "rate_limit_violated": ["login-ip"],
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "db_wait_ms": 1504.7,
    }
    changed = [
        json.dumps(json.loads(text) | refused)
        for text in log.splitlines()
        if line.items() <= json.loads(text).items()
    ]
    noise = ["not JSON", json.dumps({"event": "x", "request_id": "other"})]
    more = {"event": "http.failed", "level": "warning", "code": "c", "request_id": ID}
    log = "\n".join([*noise, json.dumps(more), *changed, ""])
    story = why(ID, log=log, TRACE_URL="https://traces.example.com/{trace_id}")

    assert "limiter    refused login-ip" in story
    assert f"trace      {refused['trace_id']}" in story
    assert f"https://traces.example.com/{refused['trace_id']}\n" in story
    assert "connection waited 1504.7 ms" in story
    assert "log        warning http.failed {'code': 'c'}" in story
    assert "other" not in story


async def test_needs_no_database(
    client: Client, why: Why, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`why` must also help in an outage. Mutant: fail without the database."""
    log = await ask(client, capfd, "/users/me")
    url = "postgresql://app:p@127.0.0.1:1/app"
    story = why(ID, log=log, DATABASE_URL=url)

    assert "POST /api/v1/users/me: 405 in " in story
    assert "database   cannot be read" in story


def test_says_when_nothing_is_known(tmp_path: Path) -> None:
    environment = make_environment(tmp_path)
    assert command("db", "upgrade", environment=environment).returncode == 0
    unknown = "019a8f3e-5a70-7000-8000-000000000000"
    for id_, message in (
        (unknown, "Error: Neither the log nor the database has this request.\n"),
        ("mine-0001", "Error: This id contains no time. Name the log with --logs.\n"),
    ):
        ended = command("why", id_, environment=environment)
        assert (ended.returncode, ended.stderr) == (1, message)


class TestStatements:
    @pytest.fixture
    def overrides(self) -> dict[str, Any]:
        return {"log_level": "debug"}

    async def test_are_shown_with_times_and_rows(
        self, user: Client, why: Why, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Mutants: log the values of statements; log no row counts of reads by key."""
        sent = {"current_password": "wrong", "new_password": "a glass typewriter"}
        log = await ask(user, capfd, "/auth/password/change", json=sent)
        story = why(ID, log=log)

        line = json.loads(log.splitlines()[-1])
        assert len(line["db_statements"]) == line["db_queries"]
        # SQLite does not say how many rows a statement of a transaction reads.
        found = re.findall(
            r"^  SQL +\d+\.\d ms(?:, rows (\d+))?: (.+)$", story, re.MULTILINE
        )
        assert len(found) == line["db_queries"]
        assert any(rows == "1" and "auth_sessions" in sql for rows, sql in found)
        assert user.user_id not in str(found)
