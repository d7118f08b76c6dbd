"""Removes a resource by its stem from a copy of the repository, or adds one."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

# The registries: a resource has its own lines in these files.
REGISTRIES = (
    "app/api/v1/router.py",
    "app/cli/__init__.py",
    "app/core/config.py",
    "app/demo/__init__.py",
    "app/schemas/audit.py",
    "app/services/accounts/roles.py",
    "bench/registry.py",
    "docs/README.md",
    "schemathesis.toml",
)
BLOCK = re.compile(
    r'^```(?P<language>\w+)(?: title="(?P<file>[^"]+)")?\n(?P<text>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Resource:
    singular: str
    plural: str

    def owns(self, part: str) -> bool:
        """Return whether a file or folder with this name belongs to the resource."""
        stem = rf"(\d{{4}}_|test_)?({self.singular}|{self.plural})(\.\w+)?"
        return re.fullmatch(stem, part) is not None

    def is_named_in(self, text: str) -> bool:
        # "production" is not a product.
        return re.search(rf"{self.singular}(?!ion)", text, re.IGNORECASE) is not None


@dataclass
class Change:
    """Relative paths and lines: the report of the drill."""

    deleted: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)


def copy_repository(root: Path, target: Path) -> None:
    """Copy the files under version control, and link the virtual environment.

    The copy has its own stamps, so that `make` installs nothing for it.
    """
    listing = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(
        listing, cwd=root, text=True, capture_output=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)
    (target / ".venv").mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (target / ".venv" / part).symlink_to(root / ".venv" / part)
    subprocess.run(("git", "init", "--quiet"), cwd=target, check=True)


def renew_stamps(copy: Path) -> None:
    for stamp in ("base", "dev"):
        (copy / ".venv" / stamp).touch()


def take_out(copy: Path, resource: Resource) -> Change:
    """Delete the files of the resource by their stem, then its registry lines."""
    change = Change()
    for file in sorted(files(copy)):
        if any(resource.owns(part) for part in file.relative_to(copy).parts):
            change.deleted.append(str(file.relative_to(copy)))
            file.unlink()
            with suppress(OSError):  # the folder has other files
                file.parent.rmdir()
    for name in REGISTRIES:
        before = (copy / name).read_text().splitlines(keepends=True)
        after = [line for line in before if not resource.is_named_in(line)]
        text = without_empty_blocks("".join(after))
        (copy / name).write_text(text)
        change.lines += [
            f"{name}: {line.strip()}" for line in before if resource.is_named_in(line)
        ]
    return change


def without_empty_blocks(text: str) -> str:
    """Remove the tables of `schemathesis.toml` that no longer name an operation."""
    empty = (
        r"(?:^#[^\n]*\n)*^\[\[operations\]\]\ninclude-name = \[\s*\]\n(?:\S[^\n]*\n)*"
    )
    return re.sub(empty, "", text, flags=re.MULTILINE)


def put_in(copy: Path, page: Path) -> Iterator[str]:
    """Follow a page: write its files, add its lines, and yield its commands to run."""
    for block in BLOCK.finditer(page.read_text()):
        language, file, text = block["language"], block["file"], block["text"]
        if language == "sh":
            yield text
        elif file and language == "diff":
            add_lines(copy / file, text)
        elif file:
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            (copy / file).write_text(text)


def add_lines(file: Path, diff: str) -> None:
    """Insert each line marked `+` after the unmarked line that precedes it."""
    lines = file.read_text().splitlines()
    at = 0
    for line in diff.splitlines():
        if line.startswith("+"):
            lines.insert(at, line[1:])
            at += 1
        else:
            at = lines.index(line[1:], at) + 1
    file.write_text("\n".join(lines) + "\n")


def files(copy: Path) -> Iterator[Path]:
    for directory, folders, names in os.walk(copy):
        folders[:] = [name for name in folders if name not in {".git", ".venv"}]
        yield from (Path(directory, name) for name in names)
