"""Generates the code in docs/adding-a-resource.md: what the command there writes."""

import re
import shlex
from functools import lru_cache

from scaffold.adding import Addition, Line, plan
from scaffold.repository import ROOT

COMMAND = re.compile(r"^\.venv/bin/python -m app add resource (.+)$", re.MULTILINE)
BLOCK = re.compile(
    r'^(?P<open>```\w+ title="(?P<file>[^"]+)"\n).*?^```$', re.MULTILINE | re.DOTALL
)


def with_code(page: str) -> str:
    """Fill each block that names a file with the code of that file."""
    [command] = COMMAND.findall(page)
    addition = _plan(command)
    return BLOCK.sub(lambda block: f"{block['open']}{_code(block, addition)}```", page)


@lru_cache(maxsize=1)
def _plan(command: str) -> Addition:
    name, *fields = shlex.split(command)
    return plan(ROOT, name, fields, example=True)


def _code(block: re.Match[str], addition: Addition) -> str:
    file = block["file"]
    if file in addition.files:
        return addition.files[file]
    return "".join(_diff(line) for line in addition.lines if line.file == file)


def _diff(line: Line) -> str:
    above = f" {line.below}\n" if line.below else ""
    added = line.text.rstrip("\n").removeprefix("\n").splitlines()
    return above + "".join(f"+{text}\n" for text in added)
