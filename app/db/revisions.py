"""The revisions of the schema that this code knows, read without importing Alembic."""

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
    def __init__(self, *directories: Path) -> None:
        files = [file for each in directories for file in each.glob("*.py")]
        parsed = [dict(_read(file)) for file in files]
        found = {each["revision"]: each for each in parsed if "revision" in each}
        self.known = set(found)
        self.titles = {name: str(each["title"]) for name, each in found.items()}
        self.follows = {
            name: {*_all(each.get("down_revision")), *_all(each.get("depends_on"))}
            for name, each in found.items()
        }
        self.heads = self.known.difference(*self.follows.values())

    def applied(self, heads: Collection[str]) -> set[str]:
        """Return these revisions and all earlier ones."""
        earlier = [self.applied(self.follows.get(head, ())) for head in heads]
        return set(heads).union(*earlier)

    def newest_first(self) -> list[str]:
        return sorted(
            self.known, key=lambda name: (len(self.applied({name})), name), reverse=True
        )

    def name(self, revision: str) -> str:
        return f"{revision} ({self.titles.get(revision, 'of a newer release')})"

    def check(self, in_database: Set[str]) -> None:
        """Raise `SchemaBehind` if the database lacks a head.

        If the database has an unknown revision, a newer release made it. That release
        has all known revisions, too.
        """
        if in_database <= self.known and not self.heads <= in_database:
            has, needs = (", ".join(sorted(s)) for s in (in_database, self.heads))
            raise SchemaBehind(
                f"The database is at {has or 'nothing'}, not at {needs}."
            )


def _read(file: Path) -> Iterator[tuple[str, Any]]:
    """Read the title and the constants, such as `down_revision = "0004"`."""
    module = ast.parse(file.read_text())
    yield "title", (ast.get_docstring(module) or "").partition("\n")[0].rstrip(".")
    for node in module.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(name)], value=value)
                | ast.AnnAssign(target=ast.Name(name), value=ast.expr() as value)
            ) if name in {"revision", "down_revision", "depends_on"}:
                yield name, ast.literal_eval(value)


def _all(value: str | Collection[str] | None) -> Iterable[str]:
    return (value,) if isinstance(value, str) else value or ()
