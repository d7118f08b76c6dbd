"""The command line, as a person and a script use it."""

import json
import os
import stat
from pathlib import Path

import pytest
from sqlalchemy import make_url

from app.cli.server import usable_cores
from testbed.service import command, make_environment

COMMANDS = [
    "users create --email ada@example.org",
    "demo",
    "products export",
    "outbox status",
    "outbox replay",
]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return make_environment(tmp_path)


class TestSetup:
    def test_makes_what_is_missing_and_keeps_the_rest(
        self, environment: dict[str, str], tmp_path: Path
    ) -> None:
        first = command("setup", environment=environment)
        secrets = (tmp_path / ".env").read_text()
        second = command("setup", environment=environment)

        assert (first.returncode, second.returncode) == (0, 0), first.stderr
        assert "Password, shown only now: " in first.stdout
        assert "50 products" in first.stdout
        assert "Password" not in second.stdout + second.stderr
        assert (tmp_path / ".env").read_text() == secrets
        assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
        check = command("config", "check", environment=environment)
        assert (check.returncode, check.stderr) == (0, "")
        assert command("db", "check", environment=environment).returncode == 0

    def test_leaves_the_environment_to_whom_it_is_said(
        self, environment: dict[str, str], tmp_path: Path
    ) -> None:
        """Mutant: a `.env` that says `development`, whatever the environment says."""
        environment |= {"ENVIRONMENT": "staging", "SECRET_KEY": "x" * 32}
        environment["DATABASE_URL"] = f"sqlite:///{tmp_path / 'staging.db'}"

        done = command("setup", environment=environment)

        assert done.returncode == 0, done.stderr
        assert "ENVIRONMENT" not in (tmp_path / ".env").read_text()


class TestUsers:
    def test_are_created_with_a_password_from_stdin(
        self, environment: dict[str, str]
    ) -> None:
        command("db", "upgrade", environment=environment)
        create = ("users", "create", "--email", "ada@example.org", "--password-stdin")

        weak = command(*create, environment=environment, stdin="password1234\n")
        fine = command(*create, environment=environment, stdin="violet umbrella\n")
        again = command(*create, environment=environment, stdin="violet umbrella\n")

        assert (weak.returncode, fine.returncode, again.returncode) == (1, 0, 1)
        assert weak.stderr == (
            "Error: Many people use this password; choose another.\n"
        )
        assert "violet" not in fine.stdout + fine.stderr
        assert again.stderr == "Error: This e-mail address has an account.\n"


def test_counts_cores_where_processes_are_not_bound_to_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mutant: ask for an affinity, which macOS does not have."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)

    assert usable_cores() == os.cpu_count()


class TestDemo:
    def test_is_the_same_on_two_new_databases(self, tmp_path: Path) -> None:
        """Mutants: what depends on the process; a seed that is not passed on."""
        first, again, others = (
            self.export(tmp_path / name, seed)
            for name, seed in (("first", "7"), ("again", "7"), ("others", "8"))
        )

        assert len(first) == 20
        assert first == again
        assert first != others

    def export(self, home: Path, seed: str) -> list[dict[str, str]]:
        home.mkdir()
        environment = make_environment(home)
        command("db", "upgrade", environment=environment)
        demo = ("demo", "--products", "20", "--users", "3", "--seed", seed)
        added = command(*demo, environment=environment)
        assert added.stdout == "Added 20 products and 3 users.\n", added.stderr
        lines = command("products", "export", environment=environment).stdout
        chance = {"id", "created_at", "updated_at"}
        products = [
            {
                name: value
                for name, value in json.loads(line).items()
                if name not in chance
            }
            for line in lines.splitlines()
        ]
        return sorted(products, key=lambda product: str(product["sku"]))


class TestErrors:
    @pytest.mark.parametrize(
        "line",
        [
            "",
            "nonsense",
            "db",
            "users create",
            "demo --products many",
            "demo --products -1",
        ],
    )
    def test_wrong_usage_is_one_line_and_two(
        self, environment: dict[str, str], line: str
    ) -> None:
        ended = command(*line.split(), environment=environment)

        assert ended.returncode == 2
        assert ended.stdout == ""
        assert ended.stderr.startswith("Error: ")
        assert ended.stderr.count("\n") == 1

    def test_settings_that_production_refuses_are_named(
        self, environment: dict[str, str]
    ) -> None:
        environment |= {"ENVIRONMENT": "production", "SECRET_KEY": "changeme"}
        ended = command("config", "check", environment=environment)

        assert ended.returncode == 1
        assert "SECRET_KEY" in ended.stderr
        assert "DATABASE_URL" in ended.stderr
        assert "changeme" not in ended.stderr
        assert "Traceback" not in ended.stderr

    def test_a_database_out_of_reach_is_one_line(
        self, environment: dict[str, str]
    ) -> None:
        environment["DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/none"
        ended = command("db", "upgrade", environment=environment)

        assert ended.returncode == 1
        assert ended.stderr.startswith("Error: The database cannot be reached. [Errno")
        assert ended.stderr.count("\n") == 1

    @pytest.mark.parametrize("line", COMMANDS)
    def test_a_database_without_tables_is_one_line(
        self, environment: dict[str, str], tmp_path: Path, line: str
    ) -> None:
        """Mutant: catch only what is ours."""
        (tmp_path / "var").mkdir()
        (tmp_path / "var/app.db").touch()
        ended = command(*line.split(), environment=environment)

        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr.startswith("Error: no such table: ")
        assert ended.stderr.endswith(
            ": bring the schema up to date with `db upgrade`.\n"
        )
        assert ended.stderr.count("\n") == 1

    @pytest.mark.parametrize("line", [*COMMANDS, "products import file"])
    def test_a_database_that_is_not_there_is_not_made(
        self, environment: dict[str, str], tmp_path: Path, line: str
    ) -> None:
        """Mutant: a mistyped path is a new, empty database."""
        (tmp_path / "file").touch()
        environment["DATABASE_URL"] = f"sqlite:///{tmp_path}/typo/app.db"

        ended = command(*line.split(), environment=environment)

        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr == (
            f"Error: There is no database {tmp_path}/typo/app.db; "
            "`db upgrade` would make it.\n"
        )
        assert [file.name for file in tmp_path.iterdir()] == ["file"]

    def test_postgresql_says_what_it_refuses(
        self, environment: dict[str, str], postgres_url: str
    ) -> None:
        environment["DATABASE_URL"] = postgres_url
        empty = command(*COMMANDS[0].split(), environment=environment)
        password = make_url(postgres_url).password or ""
        environment["DATABASE_URL"] = postgres_url.replace(password, "hunter2")
        stranger = command("db", "upgrade", environment=environment)

        assert (empty.returncode, stranger.returncode) == (1, 1)
        assert empty.stderr == (
            'Error: relation "users" does not exist: '
            "bring the schema up to date with `db upgrade`.\n"
        )
        assert stranger.stderr == (
            "Error: The database cannot be reached. "
            'password authentication failed for user "app"\n'
        )

    def test_a_file_that_cannot_be_written_is_one_line(
        self, environment: dict[str, str], tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        environment["DATABASE_URL"] = f"sqlite:///{tmp_path}/file/app.db"
        upgrade = command("db", "upgrade", environment=environment)
        environment["DATABASE_URL"] = f"sqlite:///{tmp_path}"
        directory = command("db", "upgrade", environment=environment)

        for ended in (upgrade, directory):
            assert ended.returncode == 1
            assert ended.stderr.startswith("Error: [Errno ")
            assert str(tmp_path) in ended.stderr
            assert ended.stderr.count("\n") == 1


def test_every_command_has_help(environment: dict[str, str]) -> None:
    commands = ["setup", "dev", "serve", "demo", "openapi", "config", "config check"]
    commands += ["db", "db upgrade", "db downgrade", "db revision", "db check"]
    commands += ["users", "users create", "keys", "keys generate"]
    for line in commands:
        ended = command(*line.split(), "--help", environment=environment)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert "Usage: " in ended.stdout


def test_openapi_is_printed_without_a_database(environment: dict[str, str]) -> None:
    ended = command("openapi", environment=environment)

    document = json.loads(ended.stdout)
    assert document["openapi"].startswith("3.1")
    assert "/api/v1/products" in document["paths"]
