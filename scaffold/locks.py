"""Merges lock files in an update: the pins of the release, and your own pins."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

BLOCK = re.compile(r"^([\w.\[\],-]+)==.*(?:\n[ \t].*)*\n?", re.MULTILINE)


def settle(root: Path, before: Path, after: Path) -> list[str]:
    """Write the lock files, and let uv resolve the packages that only the copy has.

    Return what failed.
    """
    has_own = dependencies(root) != dependencies(after)
    for lock in sorted(after.glob("requirements/*.txt")):
        name = lock.relative_to(after)
        if (root / name).exists():
            old, release = before / name, lock.read_text()
            text = old.read_text() if old.exists() else ""
            written = merged((root / name).read_text(), text, release)
            (root / name).write_text(written)
            has_own |= written != release
    if not has_own:
        return []
    uv = str(Path(sys.executable).with_name("uv"))
    line = ["sh", "requirements/check.sh", uv, "--write"]
    ended = subprocess.run(line, cwd=root, text=True, capture_output=True, check=False)
    return [ended.stderr.strip()] if ended.returncode else []


def dependencies(root: Path) -> list[object]:
    """The dependencies in `pyproject.toml`, or none while the file has a conflict."""
    try:
        table = tomllib.loads((root / "pyproject.toml").read_text())
    except tomllib.TOMLDecodeError:
        return []
    parts = ("dependencies", "optional-dependencies")
    return [*(table["project"].get(part) for part in parts), table["dependency-groups"]]


def merged(yours: str, before: str, release: str) -> str:
    """Take the pins that the release has changed, and keep all other pins of yours."""
    known, blocks, own = blocks_of(before), blocks_of(release), blocks_of(yours)
    for name, block in own.items():
        if known.get(name) == blocks.get(name):
            blocks[name] = block
    return "".join(blocks[name] for name in sorted(blocks))


def blocks_of(lock: str) -> dict[str, str]:
    """Map each package to its pins: one, or one for each marker."""
    blocks: dict[str, str] = {}
    for found in BLOCK.finditer(lock):
        blocks[found[1]] = blocks.get(found[1], "") + found[0].rstrip("\n") + "\n"
    return blocks
