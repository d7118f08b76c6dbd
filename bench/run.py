"""Measure the application between the limit and a bare FastAPI, in one run."""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from bench import data
from bench.accounts.operations import log_in
from bench.load import Answer, ask, drive
from bench.operations import Operation, Target
from bench.programs import TARGETS, Program, make_environment, on_cores
from bench.registry import parts
from bench.report import Round, print_report
from testbed.postgres import start_postgres

CONNECTIONS = 16
WARM_UP_SECONDS = 0.3
OPERATIONS: dict[str, Operation] = {
    name: operation
    for part in parts("operations").values()
    for name, operation in part.OPERATIONS.items()
}


@dataclass
class Contestant:
    program: Program
    target: Target

    def measure(self, operation: Operation, seconds: float) -> Round:
        drive(self.target, operation, CONNECTIONS, WARM_UP_SECONDS)
        before = self.program.cpu_seconds()
        load = drive(self.target, operation, CONNECTIONS, seconds)
        cpu_seconds = self.program.cpu_seconds() - before
        return Round(load.requests, load.seconds, cpu_seconds)

    def ask(self, operation: Operation) -> Answer:
        return ask(self.target, next(operation.requests(self.target)))


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("The bench needs two cores: one for the worker, one for the load.")
    worker_core, *others = cores
    # The load and PostgreSQL stay off the core of the worker.
    with ExitStack() as stack:
        stack.enter_context(on_cores(set(others)))
        contestants = prepare(stack, worker_core)
        check_answers(contestants)
        plan = [
            (name, contestant)
            for name in options.only
            for _ in range(options.rounds)
            for contestant in contestants
        ]
        rounds: dict[tuple[str, str], list[Round]] = {}
        for name, contestant in track(plan, "Measuring", console=Console(stderr=True)):
            measured = contestant.measure(OPERATIONS[name], options.seconds)
            rounds.setdefault((name, contestant.program.name), []).append(measured)
    print_report(rounds)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=list(OPERATIONS),
        help=f"operations, comma-separated; default: {','.join(OPERATIONS)}",
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.only) - set(OPERATIONS):
        parser.error(f"no such operation: {', '.join(sorted(unknown))}")
    return options


def prepare(stack: ExitStack, worker_core: int) -> list[Contestant]:
    """Start the database and the programs; everything ends with the stack."""
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    postgres = stack.enter_context(start_postgres(directory))
    environment = make_environment(postgres.url, DB_POOL_SIZE="5")
    data.prepare(environment)
    ids = asyncio.run(data.fill(postgres.url))
    programs = [Program(name, directory, environment) for name in TARGETS]
    with on_cores({worker_core}):
        for program in programs:
            stack.callback(program.stop)
            program.start_on_a_free_port()
    return [
        Contestant(program, Target(program.port, log_in(program.port), ids))
        for program in programs
    ]


def check_answers(contestants: Sequence[Contestant]) -> None:
    """Refuse to compare programs that do not do the same work."""
    for name, operation in OPERATIONS.items():
        first, *others = [contestant.ask(operation) for contestant in contestants]
        for answer in others:
            assert answer.status == first.status, (name, first, answer)
            assert len(answer.body) == len(first.body), (name, first, answer)
            compared = [operation.compared(body) for _, body in (first, answer)]
            assert compared[0] == compared[1], (name, first, answer)
