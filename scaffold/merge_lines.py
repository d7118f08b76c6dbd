"""A merge driver of git for files that have one entry in each line.

If one side removes an entry, the entry stays removed. git runs the driver as
`merge_lines.py %O %A %B %P`. The driver leaves the result in %A, and fails if a
conflict has lines that are not entries. git's own driver `union` keeps every line of
both sides, so a scope that the release revoked would come back.
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
    """Merge each conflict whose lines are all entries, as sets of lines."""
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
