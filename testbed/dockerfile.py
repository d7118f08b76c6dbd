"""Reads the instructions of a Dockerfile."""

import re
from pathlib import Path
from typing import NamedTuple


class Instruction(NamedTuple):
    name: str
    value: str


def instructions(file: Path) -> list[Instruction]:
    """List the instructions, each on one line and without its comments."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    found = re.findall(r"^([A-Z]+) +(.*)$", joined, re.MULTILINE)
    return [Instruction(name, value) for name, value in found]
