"""A merge driver of git for files with one entry a line: a removal wins.

git runs it as `merge_lines.py %O %A %B %P`. It leaves the result in %A, and fails if a
conflict has lines that are no entries. The driver `union` of git keeps every line of
both sides, so that a scope which the release revoked would come back.
"""

import re
import subprocess
import sys
from pathlib import Path

REGISTRIES = {
    "app/api/v1/router.py",
    "app/services/accounts/roles.py",
    "schemathesis.toml",
    "docs/README.md",
}
IMPORT = re.compile(r"(from \S+ import [^(\\]+|import \S+|    \w+,)\n")
ENTRY = re.compile(r"""(\s*[\w"'*.:/-]+(: [\w.]+)?,.*|- \[.*)\n""")
HUNK = re.compile(
    r"<{7}.*\n((?:.*\n)*?)\|{7}.*\n((?:.*\n)*?)={7}\n((?:.*\n)*?)>{7}.*\n"
)


def merge(text: str, path: str) -> str:
    """Settle the hunks in which every line is an entry, as sets."""
    is_registry = path in REGISTRIES

    def settle(hunk: re.Match[str]) -> str:
        ours, base, theirs = (part.splitlines(keepends=True) for part in hunk.groups())
        if not all(
            IMPORT.fullmatch(line) or (is_registry and ENTRY.fullmatch(line))
            for line in (*ours, *base, *theirs)
        ):
            return hunk[0]
        gone = {line for line in base if line not in ours or line not in theirs}
        both = [*ours, *(line for line in theirs if line not in ours)]
        return "".join(line for line in both if line not in gone)

    return HUNK.sub(settle, text)


def main(base: str, ours: str, theirs: str, path: str) -> None:
    names = ("-L", "yours", "-L", "before", "-L", "release")
    merged = subprocess.run(
        ["git", "merge-file", "-p", "--diff3", *names, ours, base, theirs],
        capture_output=True,
        check=False,
    )
    text = merged.stdout.decode()
    if path.endswith(".py") or path in REGISTRIES:
        text = merge(text, path)
    Path(ours).write_text(text)
    sys.exit("<<<<<<< yours" in text)


if __name__ == "__main__":
    main(*sys.argv[1:])
