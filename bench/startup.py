"""Measures the time of a start, its imports, and the memory of a worker."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from importlib.metadata import packages_distributions
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

from bench.contest import OPERATIONS, Contest, ratio
from bench.load import drive
from bench.operations import Goal
from bench.programs import APPLICATION, ORM, Program
from bench.report import Row
from testbed.processes import on_cores

START = Goal(1.4, 1.2)
MEMORY = Goal(95, 85)
# python -X importtime: "import time: self [us] | cumulative | imported package"
IMPORTED = re.compile(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", re.MULTILINE)


class Imports(NamedTuple):
    modules: Counter[str]  # by package of the first level
    microseconds: Counter[str]


def measure(contest: Contest) -> Iterator[Row]:
    taken: dict[str, list[float]] = {ORM: [], APPLICATION: []}
    for _ in range(contest.rounds):
        for name, seconds in taken.items():
            seconds.append(start(contest, name))
    times = ", ".join(f"{name} {median(each):.2f} s" for name, each in taken.items())
    share = ratio(taken[APPLICATION], taken[ORM])
    yield Row("start to the first answer / FastAPI + ORM", share, START, beside=times)
    memory = memory_under_load(contest) / 2**20
    what = "memory of a worker under load, before a login"
    yield Row(what, memory, MEMORY, unit="MiB")


def start(contest: Contest, name: str) -> float:
    program = Program(name, contest.directory, contest.environment)
    with on_cores(contest.worker_cores):
        began = perf_counter()
        program.start()
        taken = perf_counter() - began
    program.stop()
    return taken


def memory_under_load(contest: Contest) -> int:
    program = Program(APPLICATION, contest.directory, contest.environment)
    with ExitStack() as stack:
        contestant = contest.enter(stack, program)
        for operation in OPERATIONS.values():
            drive([contestant.stream(operation)], contest.seconds)
        return program.resident_bytes()


def imports(directory: Path, environment: Mapping[str, str]) -> Imports:
    """Start the application, and count the modules of each installed package."""
    program = Program(APPLICATION, directory, environment, python=("-X", "importtime"))
    program.log.unlink(missing_ok=True)
    program.start_on_a_free_port()
    program.stop()
    # The interpreter also lists modules that it could not find.
    installed = packages_distributions().keys() | {"app"}
    seen: set[str] = set()
    found = Imports(Counter(), Counter())
    for microseconds, module in IMPORTED.findall(program.log.read_text()):
        package = module.partition(".")[0]
        if package in installed and module not in seen:
            found.modules[package] += 1
            found.microseconds[package] += int(microseconds)
            seen.add(module)
    return found
