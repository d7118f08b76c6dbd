"""`doctor`: what it finds, what it hides, and how it exits."""

import json
import re
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult
from sqlalchemy import make_url, text

from app.cli.checks import Finding, database, machine
from app.cli.checks import settings as settings_checks
from app.cli.doctor import examine_all
from app.cli.review import REVIEW
from app.cli.server import usable_cores
from app.core.config import Settings
from app.core.passwords import hashing
from app.db import migrate
from app.db.session import Database
from testbed.mailbox import Bound, Mailbox
from testbed.processes import free_port
from testbed.service import ROOT, command, make_environment
from testbed.valkey import start_valkey
from tests.conftest import make_settings
from tests.test_docs import anchors

CHECKS = ROOT / "app" / "cli" / "checks"


@pytest.fixture
def environment(tmp_path: Path, settings: Settings) -> dict[str, str]:
    return make_environment(
        tmp_path, DATABASE_URL=settings.database_url, REDIS_URL=settings.redis_url
    )


@pytest.fixture
async def database_of_test(settings: Settings) -> AsyncGenerator[Database]:
    async with Database(settings) as opened:
        yield opened


async def examine(settings: Settings, **changes: Any) -> dict[str, Finding]:
    changed = {"database_url": settings.database_url, "redis_url": settings.redis_url}
    found = await examine_all(make_settings(**changed | changes))
    return {finding.name: finding for finding in found}


async def test_prints_every_finding_and_no_secret(
    environment: dict[str, str], settings: Settings
) -> None:
    """Mutants: print the URL of the database; fail for a warning without --strict."""
    plain = command("doctor", environment=environment)
    strict = command("doctor", "--json", "--strict", environment=environment)

    assert (plain.returncode, strict.returncode) == (0, 1), plain.stderr + plain.stdout
    found = {each["name"]: each for each in json.loads(strict.stdout)}
    expected = {"settings.valid", "database.schema", "mail.outbox", "machine.disk"}
    expected |= {"settings.keep_alive", "machine.memory"}
    if not settings.on_sqlite:
        expected |= {"redis.connection", "database.connections", "database.clock"}
    assert expected <= found.keys()
    assert found["database.schema"]["result"] == "ok"
    assert found["settings.ENVIRONMENT"]["result"] == "warning"
    assert all(bool(each["fix"]) == (each["result"] != "ok") for each in found.values())
    assert "ok       database.schema: at " in plain.stdout
    password = make_url(settings.database_url).password or "none"
    for secret in (password, environment["SECRET_KEY"]):
        assert secret not in plain.stdout + strict.stdout


async def test_finds_a_schema_that_is_behind_or_ahead(
    settings: Settings, without_notes: None, database_of_test: Database
) -> None:
    """Mutants: compare only with the newest revision; fail if the schema is newer."""
    await migrate.downgrade(settings, "-1")
    behind = (await examine(settings))["database.schema"]
    async with database_of_test.writer.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '99'"))
    ahead = (await examine(settings))["database.schema"]

    assert (behind.result, behind.fix) == ("failed", "Run `db upgrade`.")
    assert (ahead.result, ahead.value) == ("warning", "at 99")


async def test_finds_dependencies_that_do_not_answer(
    settings: Settings, tmp_path: Path
) -> None:
    """Mutants: print a traceback; wait for minutes; create a file for a wrong path."""
    nowhere = f"127.0.0.1:{free_port()}"
    url = f"sqlite:///{tmp_path / 'mistyped.db'}"
    if not settings.on_sqlite:
        url = f"postgresql://app:s3cret@{nowhere}/app"

    found = await examine(
        settings,
        database_url=url,
        redis_url=f"redis://:s3cret@{nowhere}",
        smtp_url=f"smtp://{nowhere}",
    )

    for name in ("database.connection", "redis.connection", "mail.server"):
        assert found[name].result == "failed", found[name]
        assert "s3cret" not in found[name].value
    assert "database.schema" not in found
    assert not [*tmp_path.glob("mistyped*")]  # noqa: ASYNC240


@pytest.mark.parametrize("mode", ["yes", "no"])
async def test_finds_a_redis_in_cluster_mode(tmp_path: Path, mode: str) -> None:
    """In cluster mode the scripts fail, so that each worker counts only its own hits.

    Mutant: leave the check out.
    """
    with start_valkey(tmp_path, f"cluster-enabled {mode}") as valkey:
        settings = make_settings(database_url=f"sqlite:///{tmp_path / 'a.db'}")
        found = await examine(settings, redis_url=valkey.url)

    assert found["redis.cluster"].result == {"yes": "warning", "no": "ok"}[mode]


async def test_finds_pools_and_transactions_that_are_too_large(
    settings: Settings, database_of_test: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutant: compare the pool of one worker with `max_connections`."""
    if settings.on_sqlite:
        pytest.skip("SQLite has no server.")
    monkeypatch.setattr(database, "LONG_SECONDS", 0)
    async with database_of_test.writer.begin() as connection:
        await connection.execute(text("SELECT 1"))
        found = await examine(settings, db_pool_size=60, web_concurrency=4)

    assert found["database.connections"].result == "warning"
    assert found["database.transactions"].result == "warning"
    fewer = await examine(settings, db_pool_size=5, web_concurrency=4)
    assert fewer["database.connections"].result == "ok"
    assert fewer["database.transactions"].result == "ok"


class TestMailServer:
    """A login that fails stops all mail, although the port answers."""

    PASSWORD = "right-one"

    @pytest.fixture
    def address(self, mailbox: Mailbox) -> Iterator[str]:
        """A server without STARTTLS that has one user."""
        server = Bound(
            mailbox,
            hostname="127.0.0.1",
            port=0,
            ready_timeout=60,
            auth_require_tls=False,
            authenticator=lambda *about: AuthResult(
                success=about[-1].password == self.PASSWORD.encode(), handled=False
            ),
        )
        server.start()
        yield f"127.0.0.1:{server.port}"
        server.stop()

    @pytest.fixture
    def mailbox(self) -> Mailbox:
        return Mailbox()

    @pytest.mark.parametrize(
        ("url", "result", "value"),
        [
            ("smtp://app:right-one@{}", "ok", "accepts the login; the connection is p"),
            ("smtp://{}", "ok", "answers; SMTP_URL has no login"),
            ("smtp://app:wrong-one@{}", "failed", "SMTPAuthenticationError"),
            ("smtp+starttls://app:right-one@{}", "failed", "SMTPException"),
        ],
    )
    async def test_is_checked_with_the_login_of_the_mail_worker(
        self,
        settings: Settings,
        mailbox: Mailbox,
        address: str,
        url: str,
        result: str,
        value: str,
    ) -> None:
        """Mutants: only connect to the port; send a mail."""
        found = (await examine(settings, smtp_url=url.format(address)))["mail.server"]

        assert (found.result, found.value[: len(value)]) == (result, value)
        assert "-one" not in found.value
        assert not mailbox.messages


@pytest.mark.parametrize("file", machine.LIMITS)
def test_compares_the_memory_of_hashes_with_the_limit_of_the_container(
    tmp_path: Path, file: str
) -> None:
    """Mutants: read only the memory of the machine; count the hashes of one worker."""
    limit = tmp_path / file
    limit.parent.mkdir(exist_ok=True)
    more = make_settings(database_url="sqlite:///unused", web_concurrency=8)
    room = 8 * hashing.MEMORY_KIB * 1024 / machine.HASHING_SHARE

    results = []
    for size in (f"{room / 2 - 1:.0f}", f"{room * usable_cores():.0f}", "max"):
        limit.write_text(f"{size}\n")
        results.append(machine.of_memory(more, tmp_path).result)

    assert results == ["warning", "ok", "ok"]


@pytest.mark.parametrize(
    ("flags", "result"), [("", "ok"), ("--keep-alive 5 --workers 2", "warning")]
)
async def test_finds_a_keep_alive_that_is_too_short_for_a_load_balancer(
    monkeypatch: pytest.MonkeyPatch, flags: str, result: str
) -> None:
    """Mutant: read only the configuration file, not the flags in the environment."""
    monkeypatch.setenv("GUNICORN_CMD_ARGS", flags)

    settings = make_settings(database_url="sqlite:///unused")
    found = {each.name: each async for each in settings_checks.check(settings)}
    assert found["settings.keep_alive"].result == result


def test_reports_settings_with_which_the_service_does_not_start(
    tmp_path: Path,
) -> None:
    """Mutant: print an error on stderr instead of JSON."""
    environment = make_environment(tmp_path, ENVIRONMENT="production", SECRET_KEY="no")

    ended = command("doctor", "--json", environment=environment)

    assert ended.returncode == 1
    findings = json.loads(ended.stdout)
    assert {each["result"] for each in findings} == {"failed"}
    assert any("SECRET_KEY" in each["value"] for each in findings)


def test_links_lead_to_existing_pages_and_headings() -> None:
    code = "".join(file.read_text() for file in CHECKS.glob("*.py"))
    code += (ROOT / "app" / "cli" / "doctor.py").read_text()
    for page, anchor in re.findall(r'"(docs/[\w-]+\.md)#?([\w-]*)"', code):
        assert not anchor or anchor in anchors(ROOT / page), (page, anchor)
    for answer in REVIEW.values():
        for page in re.findall(r"docs/[\w-]+\.md", answer):
            assert (ROOT / page).is_file(), page


def test_prints_the_questions_of_a_review(tmp_path: Path) -> None:
    ended = command("doctor", "--review", environment=make_environment(tmp_path))

    lines = ended.stdout.splitlines()
    assert ended.returncode == 0
    assert lines[::2] == [*REVIEW]
    assert "  Yours to answer." in lines[1::2]
