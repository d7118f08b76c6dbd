"""Measures the cost of traces for a request, also while the collector hangs."""

from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median

from bench.contest import READ, Contest, Contestant, Round, ratio
from bench.operations import Goal
from bench.programs import APPLICATION, Program
from bench.report import Row
from testbed.collector import run_collector

COST = Goal(1.2, 1.1)
HANGING = Goal(1.1, 1.05)


def measure(contest: Contest) -> Iterator[Row]:
    with ExitStack() as stack:
        collector = stack.enter_context(run_collector())
        hanging = stack.enter_context(run_collector(answers=False))
        programs = {
            "without": contest.application,
            "with": traced(contest, stack, collector.url),
            "each": traced(contest, stack, collector.url, TELEMETRY_SAMPLE="1"),
            "hanging": traced(contest, stack, hanging.url),
        }
        rounds: dict[str, list[Round]] = {name: [] for name in programs}
        for _ in range(contest.rounds):
            for name, program in programs.items():
                rounds[name].append(program.measure(READ, contest.seconds))
    cpu = {name: [each.cpu for each in found] for name, found in rounds.items()}
    times = f"{median(cpu['with']):.0f} µs, without {median(cpu['without']):.0f} µs"
    what = f"CPU of {READ.title} with traces / without"
    yield Row(what, ratio(cpu["with"], cpu["without"]), COST, beside=times)
    every = ratio(cpu["each"], cpu["without"])
    yield Row(f"{what}, if each request is traced", every)
    p99 = {name: [each.p99 for each in found] for name, found in rounds.items()}
    yield Row(
        f"p99 of {READ.title} while the trace collector hangs / while it answers",
        ratio(p99["hanging"], p99["with"]),
        HANGING,
        beside=f"{median(p99['hanging']) * 1e3:.1f} ms, while it answers "
        f"{median(p99['with']) * 1e3:.1f} ms, "
        f"without traces {median(p99['without']) * 1e3:.1f} ms",
    )


def traced(contest: Contest, stack: ExitStack, url: str, **settings: str) -> Contestant:
    """Start the application with traces. By default it traces one request in 20."""
    environment = {**contest.environment, "TELEMETRY_ENDPOINT": url, **settings}
    return contest.enter(stack, Program(APPLICATION, contest.directory, environment))
