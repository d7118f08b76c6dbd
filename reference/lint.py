"""Checks that `openapi.json` is valid, and that it breaks no client.

    python -m reference.lint

A change that breaks clients of the last release is allowed if a line of CHANGELOG.md
under [Unreleased] begins with `Breaking:` and names the operation. The last release is
the newest tag `v…`. Before the first release, every change is allowed.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from openapi_spec_validator import OpenAPIV31SpecValidator

from reference.contract import Contract

DOCUMENT = Path("openapi.json")
CLIENTS = Path("clients")
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


def broken(document: dict[str, Any]) -> Iterator[str]:
    """Yield each unannounced change that breaks clients of the last release."""
    tags = git("tag", "--list", "v*", "--sort=-version:refname").split()
    if not tags:
        return
    released = git("show", f"{tags[0]}:{DOCUMENT}")
    unreleased = Path("CHANGELOG.md").read_text().partition("## [Unreleased]")[2]
    unreleased = unreleased.partition("\n## ")[0]
    announced = re.findall(r"^- Breaking:.*(?:\n  .*)*", unreleased, re.MULTILINE)
    for operation, reason in Contract(document).breaks(
        Contract(orjson.loads(released))
    ):
        if f"`{operation}`" not in "".join(announced):
            line = f"- Breaking: `{operation}` …"
            yield f"{operation}: {reason}. Announce it in CHANGELOG.md: {line}"


def git(*arguments: str) -> str:
    line = ("git", *arguments)
    return subprocess.run(line, capture_output=True, text=True, check=False).stdout


def redocly() -> str:
    """Return the errors and warnings of Redocly."""
    program = CLIENTS / "node_modules/.bin/redocly"
    if not program.exists():
        npm = shutil.which("npm")
        if not npm or subprocess.run((npm, "ci", "--silent"), cwd=CLIENTS).returncode:
            print("Not checked by Redocly: npm is missing, or cannot install it.")
            return ""
    line = (program, "lint", "--extends=recommended-strict", DOCUMENT)
    ended = subprocess.run(
        line, capture_output=True, text=True, env=os.environ | QUIET, check=False
    )
    return ended.stdout + ended.stderr if ended.returncode else ""


def main() -> None:
    document = orjson.loads(DOCUMENT.read_bytes())
    invalid = OpenAPIV31SpecValidator(document).iter_errors()
    found = [each.message for each in invalid] or [*broken(document), redocly()]
    if any(found):
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
