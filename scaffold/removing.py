"""Removes code by its stem: its files, its registry lines and its tables."""

import ast
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from scaffold import revisions, stems, upstream
from scaffold.refusal import Refused
from scaffold.repository import tracked
from scaffold.stems import Stem

HEADER = re.compile(
    r"^(revision|down_revision|branch_labels|depends_on)\b.*\n", re.MULTILINE
)
# The linter of revisions accepts each of these only if a comment gives the reason.
DROPS = {"drop_table": "ban-drop-table", "DROP FUNCTION": "ban-drop-function"}


@dataclass(frozen=True)
class Removal:
    stem: Stem
    files: list[Path]
    registries: dict[str, str]  # their text afterwards
    lines: list[str]
    revision: tuple[str, str] | None  # path and text; None if no revision made a table


def plan(root: Path, stem: Stem) -> Removal:
    """Work out what to remove. Nothing is removed.

    Raises:
        Refused: Other code uses the resource or the feature.
    """
    found = [*tracked(root)]
    registries, lines = {}, []
    for name, text, removed in stems.without(root, stem):
        registries[name] = text
        lines += [f"{name}: {line}" for line in removed]
    for file in found:
        if file.suffix == ".py" and not stem.owns(file):
            text = registries.get(str(file)) or (root / file).read_text()
            if stem.is_imported_by(text) and "migrations" not in file.parts:
                raise Refused(f"{file} uses {stem.plural}. Change this file first.")
    owned = [file for file in found if stem.owns(file)]
    return Removal(stem, owned, registries, lines, dropping(root, stem))


def carry_out(root: Path, removal: Removal) -> None:
    for file in removal.files:
        (root / file).unlink()
    # Also delete the directories that had only these files. They can still contain
    # files that git ignores, such as those in __pycache__.
    for file in removal.files:
        for folder in reversed(file.parents[:-1]):
            if removal.stem.owns(folder) or is_empty(root / folder):
                shutil.rmtree(root / folder, ignore_errors=True)
    for name, text in removal.registries.items():
        (root / name).write_text(text)
    if removal.revision:
        path, text = removal.revision
        (root / path).write_text(text)
    if (root / upstream.FILE).exists():
        known = upstream.read(root)
        removed = [*known.removed, [*removal.stem.names]]
        replace(known, removed=removed).write(root)


def is_empty(folder: Path) -> bool:
    return folder.is_dir() and all(
        each.name == "__pycache__" for each in folder.iterdir()
    )


def dropping(root: Path, stem: Stem) -> tuple[str, str] | None:
    """Write a revision that drops the table, by reversing the revision that made it."""
    made = f'op.create_table(\n        "{stem.plural}"'
    for file in sorted(root.glob(f"{stems.MIGRATIONS}**/*.py")):
        if made in (text := file.read_text()):
            released, own = revisions.heads(root)
            name = revisions.new_name()
            path = f"{revisions.OWN}/{name}_no_{stem.plural}.py"
            return path, exchanged(text, stem, revisions.header(name, own, released))
    return None


def exchanged(text: str, stem: Stem, header: str) -> str:
    module = ast.parse(text)
    rows = text.splitlines(keepends=True)
    ways = {
        node.name: "".join(rows[node.lineno - 1 : node.end_lineno])
        for node in module.body
        if isinstance(node, ast.FunctionDef) and node.name in {"upgrade", "downgrade"}
    }
    docstring, *_ = module.body
    before = "".join(rows[docstring.end_lineno : _first_line(module) - 1])
    place = HEADER.search(before)
    begin = place.start() if place else len(before)
    rest = HEADER.sub("", before)
    up = ways["downgrade"].replace("def downgrade", "def upgrade", 1)
    for call, rule in DROPS.items():
        if call in up:
            up = up.replace("\n", f"\n    # safety: {rule}: no code reads it\n", 1)
    down = ways["upgrade"].replace("def upgrade", "def downgrade", 1)
    words = stem.plural.replace("_", " ")
    return (
        f'"""No more {words}: their table is dropped."""\n'
        f"{rest[:begin]}{header}{rest[begin:]}{up}\n\n{down}"
    )


def _first_line(module: ast.Module) -> int:
    return min(node.lineno for node in module.body if isinstance(node, ast.FunctionDef))
