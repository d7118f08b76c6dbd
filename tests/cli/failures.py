"""What every command says of a database that it cannot use."""

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
    assert ended.stderr.endswith(": bring the schema up to date with `db upgrade`.\n")
    assert ended.stderr.count("\n") == 1


def assert_creates_no_database(line: str, environment: dict[str, str]) -> None:
    """Run a command on a file that does not exist."""
    home = Path(environment["HOME"])
    (home / "file").touch()
    environment["DATABASE_URL"] = f"sqlite:///{home}/typo/app.db"

    ended = command(*line.split(), environment=environment)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"Error: There is no database {home}/typo/app.db; `db upgrade` creates it.\n"
    )
    assert [file.name for file in home.iterdir()] == ["file"]
