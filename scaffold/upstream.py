"""The release that a copy was made from, in the file `.upstream.toml`."""

import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from scaffold.refusal import Refused
from scaffold.repository import git, try_git

FILE = ".upstream.toml"
TEXT = """\
# The release that this repository was made from. The command `update` reads this file.
source = {source}
release = {release}
commit = {commit}
# Resources and features that were removed. An update does not bring them back.
removed = {removed}
"""


@dataclass(frozen=True)
class Upstream:
    source: str  # for `git fetch`: a URL or a directory
    release: str  # for people: a tag if there is one
    commit: str
    removed: list[list[str]] = field(default_factory=list)

    def write(self, root: Path) -> None:
        values = {name: json.dumps(value) for name, value in vars(self).items()}
        (root / FILE).write_text(TEXT.format(**values))


def read(root: Path) -> Upstream:
    file = root / FILE
    if not file.exists():
        raise Refused(f"{root} is not a copy: it has no {FILE}.")
    return Upstream(**tomllib.loads(file.read_text()))


def of_checkout(root: Path) -> Upstream:
    """Return the record for a copy that is made from this checkout."""
    origin = try_git(root, "remote", "get-url", "origin").stdout.strip()
    return Upstream(
        source=origin or str(root),
        release=git(root, "describe", "--tags", "--always", "--abbrev=12"),
        commit=git(root, "rev-parse", "HEAD"),
    )
