"""Settles what has a rule after the merge of an update, and reports the rest."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from app.core.settings.changes import kept_defaults
from scaffold import locks, naming, stems
from scaffold.repository import commit_all, git, tracked
from scaffold.stems import REGISTRIES, Stem

KINDS = {
    "UD": "you changed it, the release deletes it: keep it, or `git rm` it",
    "UU": "both changed the same lines: choose, then `git add`",
    "AA": "both added it: choose, then `git add`",
}


@dataclass
class Outcome:
    changed: int = 0
    stayed_removed: list[str] = field(default_factory=list)
    conflicts: dict[str, str] = field(default_factory=dict)
    revisions: list[str] = field(default_factory=list)
    kept_defaults: dict[str, object] = field(default_factory=dict)
    changes: str = ""

    def report(self) -> str:
        parts = [f"Merged {self.changed} files of the release."]
        parts += [f"Stays removed: {name}" for name in self.stayed_removed]
        parts += [f"New revision: {name}" for name in self.revisions]
        parts += [
            f"DEFAULTS keeps {name.upper()}={value}"
            for name, value in self.kept_defaults.items()
        ]
        parts += [f"CONFLICT {name}: {text}" for name, text in self.conflicts.items()]
        if self.changes:
            parts += ["", "What the release changed:", "", self.changes, ""]
        if self.conflicts:
            parts.append("Settle the conflicts, then `make format` and commit.")
        else:
            parts.append("Committed. Next: `make format`, `make check`, `make test`.")
        parts.append("To give up: `git reset --hard`, and switch to your branch.")
        return "\n".join(parts)


def settle(root: Path, before: Path, after: Path, removed: list[list[str]]) -> Outcome:
    outcome = Outcome()
    for lock in sorted(after.glob("requirements/*.txt")):
        name = lock.relative_to(after)
        if (root / name).exists():
            old = before / name
            text = old.read_text() if old.exists() else ""
            merged = locks.merged((root / name).read_text(), text, lock.read_text())
            (root / name).write_text(merged)
    for state, path in _states(root):
        if state == "DU":  # you removed it, the release changes it
            git(root, "rm", "--quiet", "--force", path)
            outcome.stayed_removed.append(path)
        elif state in {"UD", "UU", "AA", "AU", "UA"}:
            outcome.conflicts[path] = KINDS.get(state, KINDS["AA"])
    for names in removed:
        outcome.stayed_removed += _remove_again(root, Stem(tuple(names)))
    outcome.changed = len(git(root, "diff", "--name-only", "HEAD").splitlines())
    versions = Path("app/db/migrations/versions")
    known = {file.name for file in (before / versions).glob("*.py")}
    outcome.revisions = sorted(
        file.name for file in (after / versions).glob("*.py") if file.name not in known
    )
    # This code is that of the release.
    outcome.kept_defaults = kept_defaults(naming.defaults(root))
    if not outcome.conflicts:
        commit_all(root, "Update from upstream")
    return outcome


def _states(root: Path) -> list[tuple[str, str]]:
    rows = git(root, "status", "--porcelain", "-z").split("\0")
    return [(row[:2], row[3:]) for row in rows if row]


def _remove_again(root: Path, stem: Stem) -> list[str]:
    """What the release adds to a resource that the copy has removed."""
    again = [file for file in tracked(root) if stem.owns(file)]
    for file in again:
        git(root, "rm", "--quiet", "--force", "--", str(file))
    for name in REGISTRIES:
        if (root / name).exists():
            text, lines = stems.without_lines((root / name).read_text(), stem)
            if lines:
                (root / name).write_text(text)
    return [str(file) for file in again]


def changes(before: str, after: str) -> str:
    """The entries of a changelog that its older text lacks."""
    known = {*before.splitlines()}
    sections = re.sub(r"\A.*?(?=^## )", "", after, count=1, flags=re.S | re.M)
    return "\n".join(line for line in sections.splitlines() if line not in known)
