"""Measure the application between the limit and a bare FastAPI, in one run."""

import argparse
import asyncio
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from bench import data
from bench.load import Answer, ask, drive
from bench.operations import EMAIL, NAMES, PASSWORD, Target
from bench.programs import TARGETS, Program, on_cores
from bench.report import Round, print_report
from testbed.postgres import start_postgres
from testbed.processes import ENVIRONMENT

CONNECTIONS = 16
WARM_UP_SECONDS = 0.3


@dataclass
class Contestant:
    program: Program
    target: Target

    def measure(self, operation: str, seconds: float) -> Round:
        drive(self.target, operation, CONNECTIONS, WARM_UP_SECONDS)
        before = self.program.cpu_seconds()
        load = drive(self.target, operation, CONNECTIONS, seconds)
        cpu_seconds = self.program.cpu_seconds() - before
        return Round(load.requests, load.seconds, cpu_seconds)

    def ask(self, operation: str) -> Answer:
        return ask(self.target, next(self.target.requests(operation)))


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
            (operation, contestant)
            for operation in options.only
            for _ in range(options.rounds)
            for contestant in contestants
        ]
        rounds: dict[tuple[str, str], list[Round]] = {}
        for operation, contestant in track(
            plan, "Measuring", console=Console(stderr=True)
        ):
            measured = contestant.measure(operation, options.seconds)
            key = (operation, contestant.program.name)
            rounds.setdefault(key, []).append(measured)
    print_report(rounds)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=NAMES,
        help=f"operations, comma-separated; default: {','.join(NAMES)}",
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.only) - set(NAMES):
        parser.error(f"no such operation: {', '.join(sorted(unknown))}")
    return options


def prepare(stack: ExitStack, worker_core: int) -> list[Contestant]:
    """Start the database and the programs; everything ends with the stack."""
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    postgres = stack.enter_context(start_postgres(directory))
    environment = {
        **ENVIRONMENT,
        "PYTHONPATH": str(data.ROOT),
        "ENVIRONMENT": "staging",  # production refuses to run without limits
        "RATE_LIMIT_ENABLED": "false",
        "REGISTRATION": "open",
        "ALLOWED_HOSTS": "127.0.0.1",
        "DATABASE_URL": postgres.url,
        "DB_POOL_SIZE": "5",
        "SECRET_KEY": secrets.token_hex(32),
        "ACCESS_TOKEN_EXPIRE_MINUTES": "60",
    }
    data.migrate(environment)
    product_ids = asyncio.run(data.fill(postgres.url))
    programs = [Program(name, directory, environment) for name in TARGETS]
    with on_cores({worker_core}):
        for program in programs:
            stack.callback(program.stop)
            program.start_on_a_free_port()
    register(programs[-1])
    asyncio.run(data.make_editor(postgres.url))
    return [
        Contestant(program, Target(program.port, product_ids, log_in(program)))
        for program in programs
    ]


def register(program: Program) -> None:
    target = Target(program.port)
    account = {"email": EMAIL, "password": PASSWORD}
    answer = ask(target, target.request("POST", "/auth/register", account))
    assert answer.status == 201, answer


def log_in(program: Program) -> str:
    target = Target(program.port)
    answer = ask(target, next(target.requests("login")))
    assert answer.status == 200, answer
    return str(json.loads(answer.body)["access_token"])


def check_answers(contestants: Sequence[Contestant]) -> None:
    """All must do the same work: the same bytes, or as many where they are random."""
    for operation in NAMES:
        first, *others = [contestant.ask(operation) for contestant in contestants]
        for answer in others:
            assert answer.status == first.status, (operation, first, answer)
            assert len(answer.body) == len(first.body), operation
            if operation in {"get", "me"}:
                assert answer.body == first.body, (operation, first, answer)
            if operation == "list":
                items = [json.loads(body)["items"] for _, body in (first, answer)]
                assert items[0] == items[1], (operation, first, answer)
