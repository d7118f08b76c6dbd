"""Makes a copy of the project: a repository with a name of its own."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from scaffold import naming, upstream
from scaffold.naming import Identity
from scaffold.refusal import Refused
from scaffold.repository import ROOT, commit_all, git, refuse_changes, tracked


def new(target: Path, title: str, slug: str | None, root: Path = ROOT) -> Identity:
    """Write the copy and its first commit.

    Raises:
        Refused: The directory is in use, the checkout has changes, or a name is not
            possible.
    """
    identity = naming.choose(title, slug, root)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Refused(f"{target} exists. Choose a new or an empty directory.")
    if target.resolve().is_relative_to(root.resolve()):
        raise Refused(f"{target} is inside {root}. Choose a directory outside.")
    refuse_changes(root)
    origin = upstream.of_checkout(root)
    write(root, target, identity, f"{naming.current(root).title} {origin.release}")
    origin.write(target)
    git(target, "init", "--quiet")
    commit_all(target, f"Begin {identity.title} from {origin.release}")
    return identity


def write(root: Path, target: Path, identity: Identity, origin: str) -> None:
    """Copy the files, and give them the name."""
    copy_files(root, target, [*tracked(root)])
    naming.introduce(target, identity, origin)
    naming.rename(target, identity)


def copy_files(root: Path, target: Path, files: Sequence[Path]) -> None:
    for file in files:
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / file, target / file)
