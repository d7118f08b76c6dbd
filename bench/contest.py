"""Runs programs in turns on one core, with the load and PostgreSQL on the others."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench import data
from bench.accounts.operations import log_in
from bench.load import Answer, Stream, ask, drive
from bench.operations import Operation, Target
from bench.programs import APPLICATION, TARGETS, Program, make_environment
from bench.registry import parts
from testbed.postgres import start_postgres
from testbed.processes import on_cores
from testbed.valkey import start_valkey

WARM_UP_SECONDS = 0.2
OPERATIONS: dict[str, Operation] = {
    name: operation
    for part in parts("operations").values()
    for name, operation in part.OPERATIONS.items()
}
READ = next(iter(OPERATIONS.values()))


class Round(NamedTuple):
    rate: float  # requests a second
    cpu: float  # microseconds a request
    busy: float  # the part of the time that the workers used their core
    p99: float  # seconds


@dataclass
class Contestant:
    program: Program
    target: Target

    def measure(self, operation: Operation, seconds: float) -> Round:
        drive([self.stream(operation)], WARM_UP_SECONDS)
        stream = self.stream(operation)
        before = self.program.cpu_seconds()
        drive([stream], seconds)
        cpu = self.program.cpu_seconds() - before
        answers = len(stream.latencies)
        microseconds = cpu / answers * 1e6
        busy = cpu / stream.seconds
        return Round(stream.rate, microseconds, busy, stream.percentile(99))

    def stream(self, operation: Operation, connections: int = 0) -> Stream:
        connections = connections or operation.connections
        requests = operation.requests(self.target)
        return Stream(self.target.port, requests, connections)

    def ask(self, operation: Operation) -> Answer:
        return ask(self.target, next(operation.requests(self.target)))


@dataclass
class Contest:
    """The running programs, and how to start more of them."""

    directory: Path
    environment: Mapping[str, str]
    ids: Mapping[str, Sequence[str]]
    token: str
    worker_cores: set[int]
    contestants: dict[str, Contestant]
    limited: Contestant  # the application, with its limits counted in Valkey
    rounds: int
    seconds: float

    @property
    def application(self) -> Contestant:
        return self.contestants[APPLICATION]

    def field(self, operation: Operation) -> dict[str, Contestant]:
        """List the programs for which an operation is measured, the raw one first."""
        if not operation.is_special:
            return self.contestants
        raw = next(iter(self.contestants))
        ours = self.limited if operation.limited else self.application
        return {raw: self.contestants[raw], APPLICATION: ours}

    def enter(self, stack: ExitStack, program: Program) -> Contestant:
        """Start a program on the cores of the workers. The stack stops the program."""
        stack.callback(program.stop)
        with on_cores(self.worker_cores):
            program.start_on_a_free_port()
        return Contestant(program, Target(program.port, self.token, self.ids))

    def check_answers(self) -> None:
        """Refuse to compare programs that do not do the same work."""
        for operation in OPERATIONS.values():
            answers = {
                name: contestant.ask(operation)
                for name, contestant in self.field(operation).items()
            }
            first = next(iter(answers.values()))
            for name, answer in answers.items():
                assert answer.status == first.status < 400, (name, first, answer)
                assert len(answer.body) == len(first.body), (name, first, answer)
                compared = [operation.compared(body) for _, body in (first, answer)]
                assert compared[0] == compared[1], (name, first, answer)


@contextmanager
def run_contest(
    rounds: int,
    seconds: float,
    *,
    names: Sequence[str] = tuple(TARGETS),
    times: int = 1,
    workers: int = 1,
) -> Iterator[Contest]:
    """Start the servers and the programs.

    The database has `times` as many rows as usual.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("The bench needs two cores: one for the worker, one for the load.")
    worker_cores = set(cores[: min(workers, len(cores) - 1)])
    with ExitStack() as stack:
        # The load and PostgreSQL must not use the cores of the workers.
        stack.enter_context(on_cores(set(cores) - worker_cores))
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres = stack.enter_context(start_postgres(directory))
        valkey = stack.enter_context(start_valkey(directory))
        environment = make_environment(postgres.url)
        data.prepare(environment)
        ids = asyncio.run(data.fill(postgres.url, times))
        limits = {
            **environment,
            "RATE_LIMIT_ENABLED": "true",
            "REDIS_URL": valkey.url,
            "TRUSTED_PROXIES": "127.0.0.1",
        }
        ours = Program(APPLICATION, directory, limits, workers=workers)
        stack.callback(ours.stop)
        with on_cores(worker_cores):
            ours.start_on_a_free_port()
        token = log_in(ours.port)
        limited = Contestant(ours, Target(ours.port, token, ids))
        contest = Contest(
            *(directory, environment, ids, token, worker_cores),
            *({}, limited, rounds, seconds),
        )
        for name in names:
            program = Program(name, directory, environment, workers=workers)
            contest.contestants[name] = contest.enter(stack, program)
        contest.check_answers()
        yield contest


def ratio(rounds: Sequence[float], limits: Sequence[float]) -> float:
    """Compare within each round, because other load on the machine changes."""
    return median(each / limit for each, limit in zip(rounds, limits, strict=True))
