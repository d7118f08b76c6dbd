"""Runs after the merge of an update. Settles conflicts by rules, reports the others."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from app.core.settings.changes import kept_defaults
from scaffold import locks, naming
from scaffold.regenerating import regenerate
from scaffold.repository import commit_all, git, tracked
from scaffold.stems import Stem

KINDS = {
    "UD": "you changed it, the release deletes it: keep it, or `git rm` it",
    "UU": "you and the release changed the same lines: choose, then `git add`",
    "AA": "you and the release added it: choose, then `git add`",
}


@dataclass
class Outcome:
    changed: int = 0
    stayed_removed: list[str] = field(default_factory=list)
    conflicts: dict[str, str] = field(default_factory=dict)
    revisions: list[str] = field(default_factory=list)
    kept_defaults: dict[str, object] = field(default_factory=dict)
    to_do: list[str] = field(default_factory=list)
    changes: str = ""

    def report(self) -> str:
        parts = [f"Merged {self.changed} files of the release."]
        parts += [f"Stays removed: {name}" for name in self.stayed_removed]
        parts += [f"New revision: {name}" for name in self.revisions]
        parts += [
            f"DEFAULTS keeps {name.upper()}={value}"
            for name, value in self.kept_defaults.items()
        ]
        parts += [f"To do: {each}" for each in self.to_do]
        parts += [f"CONFLICT {name}: {text}" for name, text in self.conflicts.items()]
        if self.changes:
            parts += ["", "What the release changed:", "", self.changes, ""]
        if self.conflicts:
            parts.append("Settle the conflicts, then `make format` and commit.")
        else:
            parts.append("Committed. Next: `make check` and `make test`.")
        parts.append("To give up: `git reset --hard`, then switch to your own branch.")
        return "\n".join(parts)


def settle(root: Path, before: Path, after: Path, removed: list[list[str]]) -> Outcome:
    failed = locks.settle(root, before, after)
    outcome = Outcome(to_do=[f"`make lock`: {last(each)}" for each in failed])
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
    # This code is the release's, so it knows which defaults the release has changed.
    outcome.kept_defaults = kept_defaults(naming.defaults(root))
    if not any(name.endswith(".py") for name in outcome.conflicts):
        outcome.to_do += [f"`make format`: {last(each)}" for each in regenerate(root)]
    if not outcome.conflicts:
        commit_all(root, "Update from upstream")
    return outcome


def last(text: str) -> str:
    return text.rpartition("\n")[2]


def _states(root: Path) -> list[tuple[str, str]]:
    rows = git(root, "status", "--porcelain", "-z").split("\0")
    return [(row[:2], row[3:]) for row in rows if row]


def _remove_again(root: Path, stem: Stem) -> list[str]:
    """Remove what the release added to a removed resource. List the files."""
    again = [file for file in tracked(root) if stem.owns(file)]
    for file in again:
        git(root, "rm", "--quiet", "--force", "--", str(file))
    return [str(file) for file in again]


def changes(before: str, after: str) -> str:
    """Return the lines of a changelog that its older version does not have."""
    known = {*before.splitlines()}
    sections = re.sub(r"\A.*?(?=^## )", "", after, count=1, flags=re.S | re.M)
    return "\n".join(line for line in sections.splitlines() if line not in known)
