"""Remove products from a copy of the repository, and add suppliers.

    python -m drills.resource [--short]

The drill deletes products by their stem and their registry lines. It upgrades a
database that had them and a new one, on SQLite and on PostgreSQL, and runs `make check`
and the rest of the suite. Then it follows `docs/adding-a-resource.md` to the letter and
runs the tests of that page. The short form runs fewer checks and tests.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from drills.stems import (
    Change,
    Resource,
    copy_repository,
    files,
    put_in,
    renew_stamps,
    take_out,
)
from testbed.postgres import execute, start_postgres

ROOT = Path(__file__).parents[1]
PRODUCTS = Resource("product", "products")
PAGE = "docs/adding-a-resource.md"
INDEX = ("PIP_", "UV_", "SSL_")
# Everything that a schema can contain, by name.
SCHEMA = {
    "sqlite": "SELECT name || ' ' || coalesce(sql, '') FROM sqlite_master",
    "postgresql": """
        SELECT relname::text FROM pg_class
        UNION ALL SELECT proname FROM pg_proc
        UNION ALL SELECT typname FROM pg_type
        UNION ALL SELECT tgname FROM pg_trigger
    """,
}
LEFT_OVER = ("stock_movements",)
DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
REST = (  # the tests that the short form runs
    "tests/api/test_authorization.py",
    "tests/api/test_idempotency.py",
    "tests/api/test_pages.py",
    "tests/db/test_migrate.py",
)


class DrillFailed(Exception):
    """A command failed, or products left something behind."""


class Copy:
    """A copy of the repository, and the commands that run in it."""

    def __init__(self, directory: Path, postgres_url: str) -> None:
        self.directory = directory
        self.postgres_url = postgres_url

    def run(self, *command: str, database_url: str = "") -> str:
        environment = {
            # Where packages come from: `make check` resolves the lock files.
            **{k: v for k, v in os.environ.items() if k.startswith(INDEX)},
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.directory),
            "TEST_DATABASE_URL": self.postgres_url,
            "ENVIRONMENT": "development",
            "SECRET_KEY": "k3vQ9sLx7RmZ2pTf8WcYb5NdHjA4gUeK",
        }
        if database_url:
            environment["DATABASE_URL"] = database_url
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            raise DrillFailed(f"{' '.join(command)}\n{done.stdout[-6000:]}")
        return done.stdout

    def app(self, *arguments: str, database_url: str = "") -> str:
        python = ".venv/bin/python"
        return self.run(python, "-m", "app", *arguments, database_url=database_url)

    def test(self, *arguments: str) -> str:
        python = ".venv/bin/python"
        return self.run(python, "-m", "pytest", "-q", "-n", "auto", *arguments)


def drill(directory: Path, postgres_url: str, *, short: bool) -> Change:
    """Raises `DrillFailed` with the output of the command that failed."""
    copy = Copy(directory / "copy", postgres_url)
    with step("copy the repository"):
        copy_repository(ROOT, copy.directory)
        renew_stamps(copy.directory)
    urls = databases(directory, postgres_url)
    with step("make databases with products, and take their revision back"):
        for url in urls["old"]:
            copy.app("db", "upgrade", database_url=url)
            copy.app("demo", "--products", "20", database_url=url)
            copy.app("db", "downgrade", "-1", database_url=url)
    with step("take products out"):
        change = take_out(copy.directory, PRODUCTS)
        renew_stamps(copy.directory)
        copy.run("make", "format")
        refuse_leftovers(copy.directory)
    with step("upgrade the old databases, and new ones"):
        for url in urls["old"] + urls["new"]:
            copy.app("db", "upgrade", database_url=url)
            copy.app("db", "check", database_url=url)
            asyncio.run(refuse_leftovers_in(url))
    with step("check and test what is left"):
        check(copy, short=short, tests=REST if short else ())
    with step("put suppliers in"):
        before = set(files(copy.directory))
        for commands in put_in(copy.directory, copy.directory / PAGE):
            renew_stamps(copy.directory)
            for line in commands.splitlines():
                if line.startswith("make check"):
                    check(copy, short=short, tests=("tests/api/suppliers",))
                elif not line.startswith("make test"):
                    copy.run("sh", "-c", line, database_url=urls["new"][0])
        after = set(files(copy.directory)) - before
        change.added += sorted(
            str(file.relative_to(copy.directory))
            for file in after
            if file.suffix in {".py", ".md"}
        )
        copy.app("db", "upgrade", database_url=urls["new"][1])
        copy.app("db", "check", database_url=urls["new"][1])
    return change


def check(copy: Copy, *, short: bool, tests: Sequence[str]) -> None:
    copy.run("git", "add", "--all")  # a test reads the list of files
    if short:
        copy.run(".venv/bin/ruff", "check", ".")
        copy.run(".venv/bin/lint-imports", "--no-cache")
        copy.run(".venv/bin/python", "-m", "reference", "--check")
        copy.test("--collect-only")
    else:
        copy.run("make", "check")
    copy.test(*tests)


def databases(directory: Path, postgres_url: str) -> dict[str, list[str]]:
    """Return one database with products and one without a schema, on each system."""
    urls = {}
    for age in ("old", "new"):
        name = f"test_drill_{age}"
        asyncio.run(execute(postgres_url, f"DROP DATABASE IF EXISTS {name}"))
        asyncio.run(execute(postgres_url, f"CREATE DATABASE {name}"))
        postgres = make_url(postgres_url).set(database=name)
        urls[age] = [
            f"sqlite:///{directory / age}.db",
            postgres.render_as_string(hide_password=False),
        ]
    return urls


def refuse_leftovers(copy: Path) -> None:
    named = [
        str(file.relative_to(copy))
        for file in files(copy)
        if file.suffix in {".py", ".toml", ".lua", ".html", ".js", ".sh"}
        and PRODUCTS.is_named_in(file.read_text())
        and "drills" not in file.relative_to(copy).parts
    ]
    if named:
        raise DrillFailed(f"These files still name products: {named}")


async def refuse_leftovers_in(url: str) -> None:
    engine = create_async_engine(
        make_url(url).set(drivername=DRIVERS[url.partition(":")[0]])
    )
    async with engine.connect() as connection:
        names = await connection.scalars(text(SCHEMA[engine.dialect.name]))
        left = [
            name
            for name in names
            if PRODUCTS.is_named_in(name) or any(each in name for each in LEFT_OVER)
        ]
    await engine.dispose()
    if left:
        raise DrillFailed(f"The database still has {left}")


@contextmanager
def step(name: str) -> Iterator[None]:
    started = time.monotonic()
    print(f"{name} …", end="", flush=True)
    yield
    print(f" {time.monotonic() - started:.0f} s")


def report(change: Change) -> str:
    parts = {
        "files deleted": change.deleted,
        "registry lines touched": change.lines,
        "files added": change.added,
    }
    return "\n".join(
        "\n  ".join([f"{len(lines)} {name}:", *lines]) for name, lines in parts.items()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--short", action="store_true", help="Run fewer checks and tests."
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        try:
            with start_postgres(home) as postgres:
                print(report(drill(home, postgres.url, short=arguments.short)))
        except DrillFailed as failure:
            sys.exit(f" failed\n{failure}")


if __name__ == "__main__":
    main()
