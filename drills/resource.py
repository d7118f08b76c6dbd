"""Remove products from a copy of the repository, and add suppliers.

    python -m drills.resource [--short]

The drill removes products with the command `remove resource`. On SQLite and on
PostgreSQL it upgrades two databases: one that had products, and a new one. Then it runs
`make check` and the tests that are left. Finally it adds suppliers with the command of
`docs/adding-a-resource.md`, runs their tests, and removes suppliers again. The short
form runs fewer checks and tests.
"""

import argparse
import asyncio
import re
import shlex
import sys
import tempfile
from pathlib import Path

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from drills.copies import DrillFailed, make_copy, step
from reference.resource import COMMAND
from scaffold import upstream
from scaffold.repository import tracked
from testbed.postgres import execute, start_postgres

PRODUCTS = re.compile(r"product(?!ion)", re.IGNORECASE)
PAGE = "docs/adding-a-resource.md"
SKILLS = ".agents/skills"
# The names of everything in a schema, for SQLite with the statement that created it.
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
# The short form runs these tests, except those of races. None of them needs products.
REST = (
    *("-k", "not concurrent"),
    "tests/api/test_authorization.py",
    "tests/api/test_idempotency.py",
    "tests/api/test_pages.py",
    "tests/db/test_migrate.py",
)


def drill(directory: Path, postgres_url: str, *, short: bool) -> list[str]:
    """Return the output of the commands `remove` and `add`.

    Raises `DrillFailed` with the output of the command that failed.
    """
    with step("copy the repository"):
        copy = make_copy(directory / "copy", postgres_url)
    urls = databases(directory, postgres_url)
    with step("make databases with products"):
        for url in urls["old"]:
            copy.app("db", "upgrade", database_url=url)
            copy.app("demo", "--products", "20", database_url=url)
    with step("take products out"):
        said = copy.app("remove", "resource", "products").splitlines()
        copy.renew_stamps()
        refuse_leftovers(copy.directory)
    with step("upgrade the old databases, and new ones"):
        for url in urls["old"] + urls["new"]:
            copy.app("db", "upgrade", database_url=url)
            copy.app("db", "check", database_url=url)
            asyncio.run(refuse_leftovers_in(url))
    with step("check and test what is left"):
        copy.check(short=short, tests=REST if short else ())
        copy.collect()
    with step("put suppliers in"):
        [command] = COMMAND.findall((copy.directory / PAGE).read_text())
        said += copy.app(*command_line(command)).splitlines()
        copy.renew_stamps()
        for url in urls["new"]:
            copy.app("db", "upgrade", database_url=url)
            copy.app("db", "check", database_url=url)
        copy.check(short=short, tests=("tests/api/suppliers",))
    with step("take suppliers out again"):
        for line in skill(copy.directory, "remove-a-resource", "app"):
            copy.run(*line, database_url=urls["new"][0])
        copy.renew_stamps()
    return said


def skill(copy: Path, name: str, module: str) -> list[list[str]]:
    """List the commands of a module in the instructions for agents."""
    text = (copy / SKILLS / name / "SKILL.md").read_text()
    found = re.findall(rf"^ *(\.venv/bin/python -m {module} .+)$", text, re.MULTILINE)
    return [shlex.split(line) for line in found]


def command_line(text: str) -> list[str]:
    return ["add", "resource", *text.split()]


def databases(
    directory: Path, postgres_url: str, drill: str = "resource"
) -> dict[str, list[str]]:
    """Return the URLs of two old and two new databases, which are all empty."""
    urls = {}
    for age in ("old", "new"):
        name = f"test_{drill}_{age}"
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
        str(file)
        for file in tracked(copy)
        if file.suffix in {".py", ".toml", ".lua", ".html", ".js", ".sh"}
        and PRODUCTS.search((copy / file).read_text())
        and file.as_posix() != upstream.FILE  # lists what was removed
        # Revisions stay, because databases have applied them. Tools name products as
        # examples.
        and not {"migrations", "drills", "scaffold"} & {*file.parts}
    ]
    if named:
        raise DrillFailed(f"These files still name products: {named}")


async def read(url: str, statement: str) -> list[str]:
    """Run a statement, and return the first column of its rows."""
    engine = create_async_engine(
        make_url(url).set(drivername=DRIVERS[url.partition(":")[0]])
    )
    async with engine.begin() as connection:
        found = [*await connection.scalars(text(statement))]
    await engine.dispose()
    return found


async def refuse_leftovers_in(url: str) -> None:
    left = [
        name
        for name in await read(url, SCHEMA[url.partition(":")[0]])
        if PRODUCTS.search(name) or any(each in name for each in LEFT_OVER)
    ]
    if left:
        raise DrillFailed(f"The database still has {left}")


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
                print(*drill(home, postgres.url, short=arguments.short), sep="\n")
        except DrillFailed as failure:
            sys.exit(f" failed\n{failure}")


if __name__ == "__main__":
    main()
