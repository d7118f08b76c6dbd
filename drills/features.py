"""Remove features from copies of the repository, each feature from its own copy.

    python -m drills.features [NAME …] [--together] [--short]

On SQLite and on PostgreSQL, the drill upgrades two databases: one that had the feature,
and a new one. The drill looks for names of the feature in the code that is left, and
runs `make check` and the tests of the copy. The short form runs fewer checks and tests.
Without a name, the drill removes every feature. With `--together`, it removes all
these features from the same copy.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from drills.copies import Copy, DrillFailed, make_copy, step
from drills.resource import databases, read
from scaffold import upstream
from scaffold.features import FEATURES, present
from scaffold.repository import tracked
from scaffold.stems import MIGRATIONS, Stem
from testbed.postgres import start_postgres
from testbed.service import ROOT

CODE = {".py", ".toml", ".lua", ".html", ".js", ".sh"}
# These directories are not searched, because their tools name features as examples.
TOOLS = {"drills", "scaffold"}
FACTORS = ("passkey", "totp")
GIVE = f"UPDATE users SET second_factors = '{' '.join(FACTORS)}' RETURNING id"
GIVEN = "SELECT second_factors FROM users"
REST = (  # the tests that the short form runs
    "tests/api/accounts/test_login.py",
    "tests/api/test_openapi.py",
    "tests/test_docs.py",
    "tests/test_security_page.py",
    "tests/test_operations_page.py",
    "tests/test_data_page.py",
)


def drill(directory: Path, postgres_url: str, *names: str, short: bool) -> None:
    """Remove the features from a copy, and check and test the copy.

    Raises:
        DrillFailed: A command failed. The message has its output.
    """
    copy, said = take_out(directory, postgres_url, *names)
    lines = sum(line.startswith("deleted a line of ") for line in said)
    files = sum(line.startswith("deleted ") for line in said) - lines
    print(f"deleted {files} files, and {lines} lines of registries")
    with step("check and test what is left"):
        if short:
            copy.run(".venv/bin/mypy")
        copy.check(short=short, tests=REST if short else ())


def take_out(directory: Path, postgres_url: str, *names: str) -> tuple[Copy, list[str]]:
    """Return a copy without the features, and the output of the commands."""
    stems = [FEATURES[name].stem for name in names]
    said = []
    with step(f"{', '.join(names)}: copy the repository"):
        copy = make_copy(directory / "copy", postgres_url)
    urls = databases(directory, postgres_url, "features")
    with step("make databases with the feature"):
        for url in urls["old"]:
            copy.app("db", "upgrade", database_url=url)
            copy.app("users", "create", "--email", "a@b.example", database_url=url)
            asyncio.run(read(url, GIVE))
    with step("remove the feature"):
        for name in names:
            said += copy.app("remove", "feature", name).splitlines()
        copy.renew_stamps()
        for stem in stems:
            refuse_traces(copy.directory, stem)
    with step("upgrade the old databases, and new ones"):
        for url in urls["old"] + urls["new"]:
            copy.app("db", "upgrade", database_url=url)
            copy.app("db", "check", database_url=url)
        for url in urls["old"]:
            refuse_factors(asyncio.run(read(url, GIVEN)), stems)
    return copy, said


def refuse_traces(copy: Path, stem: Stem) -> None:
    if named := traces(copy, stem, tracked(copy)):
        raise DrillFailed("These lines name the feature:\n" + "\n".join(named))


def traces(root: Path, stem: Stem, files: Iterable[Path]) -> list[str]:
    return [
        f"{file}:{number}: {line}"
        for file in files
        if file.suffix in CODE and not TOOLS & {*file.parts[:2]}
        if file.as_posix() != upstream.FILE  # this file lists what was removed
        # Revisions stay, because databases have applied them.
        if not file.as_posix().startswith(MIGRATIONS)
        for number, line in enumerate((root / file).read_text().splitlines(), 1)
        if stem.is_in(line)
    ]


def refuse_factors(left: list[str], stems: list[Stem]) -> None:
    """Fail if the user still has a removed factor.

    No code could ask for this factor, so the user could never prove it.
    """
    gone = {name for stem in stems for name in stem.names}
    if left != [" ".join(each for each in FACTORS if each not in gone)]:
        raise DrillFailed(f"The user has the second factors {left}.")


def main() -> None:
    there = present(ROOT)
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(there))
    parser.add_argument(
        "--together", action="store_true", help="Remove all from the same copy."
    )
    parser.add_argument(
        "--short", action="store_true", help="Run fewer checks and tests."
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, start_postgres(Path(home)) as postgres:
        failed = False
        names = tuple(arguments.names or there)
        for each in [names] if arguments.together else [(name,) for name in names]:
            try:
                with tempfile.TemporaryDirectory() as directory:
                    drill(Path(directory), postgres.url, *each, short=arguments.short)
            except DrillFailed as failure:
                print(f" failed\n{failure}")
                failed = True
    sys.exit(failed)


if __name__ == "__main__":
    main()
