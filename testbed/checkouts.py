"""Copies of the repository, for tests and drills that change the code."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from scaffold import naming
from scaffold.copying import copy_files
from scaffold.repository import commit_all, git, tracked
from testbed.service import ROOT, make_environment


def make_checkout(target: Path) -> Path:
    """Commit the files of the repository, with their changes, into a new repository."""
    copy_files(ROOT, target, [*tracked(ROOT)])
    git(target, "init", "--quiet")
    commit_all(target, "Begin")
    return target


def environment_of(checkout: Path, home: Path) -> dict[str, str]:
    """Return the environment of commands in a copy that has its own name.

    The function also writes package metadata, because the application reads its version
    from them.
    """
    slug = naming.current(checkout).slug
    metadata = checkout / f"{slug.replace('-', '_')}-0.1.0.dist-info"
    metadata.mkdir(parents=True, exist_ok=True)
    text = f"Metadata-Version: 2.1\nName: {slug}\nVersion: {naming.FIRST_VERSION}\n"
    (metadata / "METADATA").write_text(text)
    return make_environment(home, PYTHONPATH=str(checkout))


def run_in(
    checkout: Path, *line: str, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments in the checkout."""
    return subprocess.run(
        [sys.executable, *line],
        cwd=checkout,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
