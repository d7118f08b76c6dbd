"""Makes a copy of the project: a repository with a name of its own."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from app.identity import VERSION
from scaffold import features, naming, removing, upstream
from scaffold.naming import Identity
from scaffold.refusal import Refused
from scaffold.regenerating import regenerate
from scaffold.repository import ROOT, commit_all, git, refuse_changes, tracked


def new(
    target: Path, title: str, slug: str | None, without: Sequence[str] = ()
) -> Identity:
    """Write the copy and its first commit, without these resources and features.

    Raises:
        Refused: The directory is in use, the checkout has changes, or a name is not
            possible.
    """
    root = ROOT
    identity = naming.choose(title, slug, root)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Refused(f"{target} exists. Choose a new or an empty directory.")
    if target.resolve().is_relative_to(root.resolve()):
        raise Refused(f"{target} is inside {root}. Choose a directory outside.")
    refuse_changes(root)
    origin = upstream.of_checkout(root)
    copy_files(root, target, [*tracked(root)])
    git(target, "init", "--quiet")
    origin.write(target)
    for name in without:
        stem = features.find_any(target, name)
        removing.carry_out(target, removing.plan(target, stem))
    # Regenerate before the copy gets its name, because the installed package still has
    # the old name.
    if without and (failed := regenerate(target)):
        raise RuntimeError("\n".join(failed))
    old = naming.current(target).title
    naming.introduce(target, identity, f"{old} {origin.release}")
    naming.rename(target, identity)
    naming.keep_defaults(target, VERSION)
    commit_all(target, f"Begin {identity.title} from {origin.release}")
    return identity


def copy_files(root: Path, target: Path, files: Sequence[Path]) -> None:
    for file in files:
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / file, target / file)
