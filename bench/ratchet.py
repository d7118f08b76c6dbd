"""Compares the CPU time of a request and the imports with the committed figures.

`python -m bench.ratchet` prints both. `--write` writes them to `bench/figures.json`.
"""

import argparse
import json
import platform
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from bench import data, inside, startup
from bench.programs import APPLICATION, RAW, make_environment
from testbed.postgres import start_postgres

FILE = Path(__file__).with_name("figures.json")
PYTHON = ".".join(platform.python_version_tuple()[:2])
CPU_GROWTH = 1.15
MODULES_GROWTH = 1.02
MEASUREMENTS = 3  # at most
WRITTEN_FROM = 5  # measurements, of which it writes the median


def committed() -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(FILE.read_text())
    return figures


def cpu_ratios(environment: Mapping[str, str], directory: Path) -> dict[str, float]:
    """Divide the application's CPU time by the raw program's, for each operation."""
    measured = inside.measure(environment, directory, "operations")
    return {
        name: round(cost[APPLICATION] / cost[RAW], 2) for name, cost in measured.items()
    }


def grown(environment: Mapping[str, str], directory: Path) -> dict[str, str]:
    """Name each operation that costs too much more than its committed figure.

    Other work on the machine can disturb one measurement, but it rarely disturbs all.
    """
    figures, found = committed()["cpu"], dict[str, str]()
    for _ in range(MEASUREMENTS):
        found = {
            name: f"{ratio:.2f} times the raw program, committed {figures[name]:.2f}"
            for name, ratio in cpu_ratios(environment, directory).items()
            if ratio > figures[name] * CPU_GROWTH and (not found or name in found)
        }
        if not found:
            break
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.ratchet")
    help_ = "write the medians of several measurements to the file"
    parser.add_argument("--write", action="store_true", help=help_)
    write: bool = parser.parse_args().write
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with start_postgres(directory) as postgres:
            environment = make_environment(postgres.url)
            data.prepare(environment)
            measured = [
                cpu_ratios(environment, directory)
                for _ in range(WRITTEN_FROM if write else 1)
            ]
            cpu = {
                name: median(each[name] for each in measured) for name in measured[0]
            }
            figures = {
                "python": PYTHON,
                "cpu": cpu,
                "modules": startup.imports(directory, environment).modules,
            }
    text = json.dumps(figures, indent=2, sort_keys=True) + "\n"
    print(text, end="")
    if write:
        FILE.write_text(text)


if __name__ == "__main__":
    main()
