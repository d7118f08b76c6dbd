"""Which revisions of the schema this code knows, without the time to import Alembic."""

import ast
from collections.abc import Collection, Iterable, Iterator, Set
from pathlib import Path
from typing import Any

from sqlalchemy import text

MIGRATIONS = Path(__file__).parent / "migrations"
RELEASED = MIGRATIONS / "versions"
OWN = MIGRATIONS / "own" / "versions"
IN_DATABASE = text("SELECT version_num FROM alembic_version")


class SchemaBehind(Exception):
    """The database lacks a revision that the code needs: run `db upgrade`."""


class Revisions:
    """The revisions in these directories."""

    def __init__(self, *directories: Path) -> None:
        files = [file for each in directories for file in each.glob("*.py")]
        found = [dict(_assigned(file)) for file in files]
        self.known = {each["revision"] for each in found if "revision" in each}
        names = ("down_revision", "depends_on")
        followed = {old for each in found for n in names for old in _all(each.get(n))}
        self.heads = self.known - followed

    def check(self, in_database: Set[str]) -> None:
        """Raise `SchemaBehind` if the database lacks a head.

        An unknown revision is one of a newer release, which contains all of these.
        """
        if in_database <= self.known and not self.heads <= in_database:
            has, needs = (", ".join(sorted(s)) for s in (in_database, self.heads))
            raise SchemaBehind(
                f"The database is at {has or 'nothing'}, not at {needs}."
            )


def _assigned(file: Path) -> Iterator[tuple[str, Any]]:
    """Read the constants of a revision, such as `down_revision = "0004"`."""
    for node in ast.parse(file.read_text()).body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(name)], value=value)
                | ast.AnnAssign(target=ast.Name(name), value=ast.expr() as value)
            ) if name in {"revision", "down_revision", "depends_on"}:
                yield name, ast.literal_eval(value)


def _all(value: str | Collection[str] | None) -> Iterable[str]:
    return (value,) if isinstance(value, str) else value or ()
