"""Runs git for the commands."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from scaffold.refusal import Refused

ROOT = Path(__file__).parents[1]


def git(root: Path, *arguments: str, **environment: str) -> str:
    """Return what git prints.

    Raises:
        Refused: git failed. The message ends with the last line that git printed.
    """
    ended = try_git(root, *arguments, **environment)
    if ended.returncode:
        said = (ended.stderr or ended.stdout).strip()
        raise Refused(f"`git {arguments[0]}` failed: {said.rpartition(chr(10))[2]}")
    return ended.stdout.strip()


def try_git(
    root: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *arguments],
        cwd=root,
        env=_without_repository(os.environ) | environment,
        text=True,
        capture_output=True,
        check=False,
    )


def _without_repository(environment: Mapping[str, str]) -> dict[str, str]:
    """Remove variables such as `GIT_DIR`, which in a hook name another repository."""
    hidden = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
    return {name: value for name, value in environment.items() if name not in hidden}


def tracked(root: Path) -> Iterator[Path]:
    """Yield the files under version control, and new files that git does not ignore."""
    listed = git(
        root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"
    ).split("\0")
    for name in sorted({*filter(None, listed)}):
        if (root / name).is_file():
            yield Path(name)


def refuse_changes(root: Path) -> None:
    if try_git(root, "rev-parse", "--verify", "HEAD").returncode:
        raise Refused(f"{root} is not a git repository with a commit.")
    if git(root, "status", "--porcelain"):
        raise Refused(f"{root} has changes. Commit them first.")


def commit_all(root: Path, message: str) -> None:
    """Commit everything, even if git does not know the name of the user yet."""
    git(root, "add", "--all")
    unknown = try_git(root, "var", "GIT_COMMITTER_IDENT").returncode
    name = ("-c", "user.name=You", "-c", "user.email=you@localhost") if unknown else ()
    git(root, *name, "commit", "--quiet", "--no-verify", "--message", message)
