"""Errors that every command must report if it cannot use its database."""

from pathlib import Path

from testbed.service import command


def assert_asks_for_the_schema(line: str, environment: dict[str, str]) -> None:
    """Run a command on a database without tables."""
    home = Path(environment["HOME"])
    (home / "var").mkdir()
    (home / "var/app.db").touch()
    ended = command(*line.split(), environment=environment)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("Error: no such table: ")
    assert ended.stderr.endswith(". Run `db upgrade` to update the schema.\n")
    assert ended.stderr.count("\n") == 1


def assert_creates_no_database(line: str, environment: dict[str, str]) -> None:
    """Run a command on a file that does not exist."""
    home = Path(environment["HOME"])
    (home / "file").touch()
    environment["DATABASE_URL"] = f"sqlite:///{home}/typo/app.db"

    ended = command(*line.split(), environment=environment)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"Error: The database file {home}/typo/app.db does not exist. "
        "Check DATABASE_URL, or run `db upgrade`.\n"
    )
    assert [file.name for file in home.iterdir()] == ["file"]
