"""Finds moves of files that lack a codemod. An update of a copy needs one for each."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

from scaffold.repository import git, try_git

CODEMODS = "scaffold/codemods"
# The code of a copy can import modules from these places.
MOVABLE = ("app", "testbed", "tests", "gunicorn.conf.py")


def tags(root: Path) -> list[str]:
    """The releases, the oldest first."""
    return git(root, "tag", "--list", "v*", "--sort=v:refname").splitlines()


def moves_without_codemod(root: Path, before: str, after: str = "") -> Iterator[str]:
    """Yield each move between two releases that has no codemod.

    Without `after`, compare the release `before` with the files of the checkout.
    """
    line = ("diff", "-M", "--diff-filter=R", "--name-status", "-z", before)
    listed = git(root, *line, *filter(None, [after]), "--", *MOVABLE).split("\0")
    known = {**_moves(root, before)}
    new = {key: to for key, to in _moves(root, after).items() if known.get(key) != to}
    for old, to in zip(listed[1::3], listed[2::3], strict=False):
        if old.endswith(".py") and new.get(old) != to:
            yield f"{old} -> {to}"


def _moves(root: Path, release: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _codemods(root, release):
        text = git(root, "show", f"{release}:{name}") if release else _read(root, name)
        found |= tomllib.loads(text).get("moves", {})
    return found


def _codemods(root: Path, release: str) -> list[str]:
    if not release:
        return [f"{CODEMODS}/{file.name}" for file in (root / CODEMODS).glob("*.toml")]
    listed = try_git(root, "ls-tree", "--name-only", release, f"{CODEMODS}/").stdout
    return [name for name in listed.splitlines() if name.endswith(".toml")]


def _read(root: Path, name: str) -> str:
    return (root / name).read_text()
