"""Compares the throughput of two programs with more rows, workers or connections.

The programs are the application and the raw program.
"""

import argparse
import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from rich.console import Console

from bench import data
from bench.contest import OPERATIONS, Contest, Round, run_contest
from bench.programs import APPLICATION, RAW
from bench.report import Grid, number, shares

NAMES = (RAW, APPLICATION)
ROWS = (10, 100)
WORKERS = (2, 4)
IDLE = 1000
TOLERANCE = 0.10
errors = Console(stderr=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args(arguments)
    columns: dict[str, dict[str, float]] = {}
    with run_contest(options.rounds, options.seconds, names=NAMES) as contest:
        columns["usual"] = measure(contest)
        with idle_connections(contest):
            columns[f"{IDLE} idle connections"] = measure(contest)
        for times in ROWS:
            errors.print(f"Adding rows, until there are {times} times as many")
            url = contest.environment["DATABASE_URL"]
            asyncio.run(data.fill(url, times))
            columns[f"{times} times the rows"] = measure(contest)
    for workers in WORKERS:
        with run_contest(
            options.rounds, options.seconds, names=NAMES, workers=workers
        ) as contest:
            columns[f"{workers} workers"] = measure(contest)
    report(columns).print(Console(width=140))


def measure(contest: Contest) -> dict[str, float]:
    """Return the share of the raw program's throughput, for each usual operation."""
    found = {}
    for name, operation in OPERATIONS.items():
        if operation.is_special:
            continue
        errors.print(f"Measuring {operation.title}")
        rounds: dict[str, list[Round]] = {each: [] for each in contest.contestants}
        for _ in range(contest.rounds):
            for program, contestant in contest.contestants.items():
                rounds[program].append(contestant.measure(operation, contest.seconds))
        found[name] = shares(rounds)[APPLICATION]
    return found


@contextmanager
def idle_connections(contest: Contest) -> Iterator[None]:
    """Open keep-alive connections to each program, and send nothing on them."""
    with ExitStack() as stack:
        for contestant in contest.contestants.values():
            for _ in range(IDLE):
                address = ("127.0.0.1", contestant.program.port)
                stack.enter_context(socket.create_connection(address))
        yield


def report(columns: dict[str, dict[str, float]]) -> Grid:
    usual, *grown = columns.values()
    rows = [
        (
            OPERATIONS[name].title,
            number(share),
            *(judged(column[name], share) for column in grown),
        )
        for name, share in usual.items()
    ]
    title = f"Share of the raw program; more than {TOLERANCE:.0%} lower is missed"
    return Grid(title, ("operation", *columns), rows)


def judged(share: float, usual: float) -> str:
    missed = share < usual * (1 - TOLERANCE)
    return f"{number(share)}{' missed' if missed else ''}"


if __name__ == "__main__":
    main()
