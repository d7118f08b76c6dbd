"""Compares the application with programs that do the same work with fewer layers."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.progress import track

from bench import budget, page, startup, traces
from bench.chart import draw
from bench.contest import OPERATIONS, READ, Contest, Round, ratio, run_contest
from bench.operations import Goal
from bench.programs import APPLICATION, RAW, TARGETS
from bench.registry import parts
from bench.report import Grid, Rounds, Row, cpu, others, shares, throughput

P99 = Goal(3, 2)
PROGRAMS = tuple(TARGETS)
errors = Console(stderr=True)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    with run_contest(options.rounds, options.seconds) as contest:
        rounds = measure(contest, options.only)
        grids = [throughput(rounds, PROGRAMS), cpu(rounds, PROGRAMS)]
        if len(options.only) == len(OPERATIONS):
            errors.print("Measuring latency, logins, start and memory")
            grids[1:1] = [others(rest(contest, rounds))]
            errors.print("Measuring layers and imports")
            grids += [budget.layers(contest, rounds), budget.imported(contest)]
            publish(rounds, grids, options)
    console = Console()
    console.width = max(console.width, 140)
    for grid in grids:
        grid.print(console)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=list(OPERATIONS),
        help="operations, comma-separated; the page is not written. "
        f"Default: {','.join(OPERATIONS)}",
    )
    parser.add_argument("--page", type=Path, default=page.PAGE, help="write this page")
    options = parser.parse_args(arguments)
    if unknown := set(options.only) - set(OPERATIONS):
        parser.error(f"no such operation: {', '.join(sorted(unknown))}")
    return options


def measure(contest: Contest, names: Sequence[str]) -> Rounds:
    plan = [
        (name, program, contestant)
        for name in names
        for _ in range(contest.rounds)
        for program, contestant in contest.field(OPERATIONS[name]).items()
    ]
    rounds: dict[str, dict[str, list[Round]]] = {name: {} for name in names}
    for name, program, contestant in track(plan, "Measuring", console=errors):
        measured = contestant.measure(OPERATIONS[name], contest.seconds)
        rounds[name].setdefault(program, []).append(measured)
    return rounds


def rest(contest: Contest, rounds: Rounds) -> Iterator[Row]:
    """Measure the figures that are not a share of the raw program's throughput."""
    measured = next(iter(rounds.values()))
    ours, raw = ([each.p99 for each in measured[name]] for name in (APPLICATION, RAW))
    times = f"{median(ours) * 1e3:.0f} ms, raw program {median(raw) * 1e3:.0f} ms"
    what = f"p99 of {READ.title}, {READ.connections} connections / raw"
    yield Row(what, ratio(ours, raw), P99, beside=times)
    for part in parts("rows").values():
        yield from part.measure(contest)
    yield from startup.measure(contest)
    yield from traces.measure(contest)


def publish(rounds: Rounds, grids: Sequence[Grid], options: argparse.Namespace) -> None:
    drawn = {
        OPERATIONS[name].title: shares(measured)
        for name, measured in rounds.items()
        if not OPERATIONS[name].is_special
    }
    chart = draw("Throughput, as a share of the raw program", drawn, PROGRAMS)
    method = (
        f"Medians of {options.rounds} interleaved rounds of {options.seconds:g} s. "
        "One worker has one core; PostgreSQL, Valkey and the load generator use the "
        "other cores."
    )
    page.write(options.page, chart, grids, method)


if __name__ == "__main__":
    main()
