"""A command that fails gives the reason in one line."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from testbed.service import command
from tests.cli.failures import assert_asks_for_the_schema, assert_creates_no_database

COMMANDS = [
    "users create --email ada@example.org",
    "demo",
    "outbox status",
    "outbox replay",
    "users list",
    "users disable ada@example.org",
    "audit list",
]


class TestCommandErrors:
    @pytest.mark.parametrize(
        "line",
        [
            "nonsense",
            "db nonsense",
            "users create",
            "demo --users many",
            "demo --users -1",
        ],
    )
    def test_wrong_usage_is_one_line_with_exit_status_2(
        self, environment: dict[str, str], line: str
    ) -> None:
        ended = command(*line.split(), environment=environment)

        assert ended.returncode == 2
        assert ended.stdout == ""
        assert ended.stderr.startswith("Error: ")
        assert ended.stderr.count("\n") == 1

    def test_refused_settings_are_named(self, environment: dict[str, str]) -> None:
        environment |= {"ENVIRONMENT": "production", "SECRET_KEY": "changeme"}
        ended = command("config", "check", environment=environment)

        assert ended.returncode == 1
        assert "SECRET_KEY" in ended.stderr
        assert "DATABASE_URL" in ended.stderr
        assert "changeme" not in ended.stderr
        assert "Traceback" not in ended.stderr

    def test_an_unreachable_database_is_reported_in_one_line(
        self, environment: dict[str, str]
    ) -> None:
        environment["DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/none"
        ended = command("db", "upgrade", environment=environment)

        assert ended.returncode == 1
        assert ended.stderr.startswith("Error: The database cannot be reached. [Errno")
        assert ended.stderr.count("\n") == 1

    @pytest.mark.parametrize("line", COMMANDS)
    def test_a_database_without_tables_is_reported_in_one_line(
        self, environment: dict[str, str], line: str
    ) -> None:
        """Mutant: catch only the project's own errors."""
        assert_asks_for_the_schema(line, environment)

    @pytest.mark.parametrize("line", COMMANDS)
    def test_a_missing_database_file_is_not_created(
        self, environment: dict[str, str], line: str
    ) -> None:
        """Mutant: create an empty database at a mistyped path."""
        assert_creates_no_database(line, environment)

    def test_errors_of_postgresql_are_repeated(
        self, environment: dict[str, str], postgres_url: str
    ) -> None:
        environment["DATABASE_URL"] = postgres_url
        empty = command(*COMMANDS[0].split(), environment=environment)
        password = make_url(postgres_url).password or ""
        environment["DATABASE_URL"] = postgres_url.replace(password, "hunter2")
        stranger = command("db", "upgrade", environment=environment)

        assert (empty.returncode, stranger.returncode) == (1, 1)
        assert empty.stderr == (
            'Error: relation "users" does not exist. '
            "Run `db upgrade` to update the schema.\n"
        )
        assert stranger.stderr == (
            "Error: The database cannot be reached. "
            'password authentication failed for user "app"\n'
        )

    def test_an_unwritable_file_is_reported_in_one_line(
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
