"""Lock files after an update: the release's pins, and your own packages."""

import re

BLOCK = re.compile(r"^([\w.\[\],-]+)==.*(?:\n[ \t].*)*\n?", re.MULTILINE)


def merged(yours: str, before: str, release: str) -> str:
    """The pins of the release, and yours of packages that it never had."""
    blocks = {found[1]: found[0] for found in BLOCK.finditer(release)}
    known = {*blocks, *(found[1] for found in BLOCK.finditer(before))}
    for found in BLOCK.finditer(yours):
        if found[1] not in known:
            blocks[found[1]] = found[0]
    return "".join(blocks[name].rstrip("\n") + "\n" for name in sorted(blocks))
