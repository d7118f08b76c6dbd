"""Makes the tables for the terminal and for the page of the documentation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.contest import OPERATIONS, Round, ratio
from bench.operations import Goal

Rounds = Mapping[str, Mapping[str, Sequence[Round]]]  # by operation and program


@dataclass(frozen=True)
class Row:
    """A figure of the application, with its goal."""

    what: str
    measured: float
    goal: Goal | None = None
    unit: str = ""
    beside: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        return (self.what, f"{number(self.measured)} {self.unit}".strip(), self.beside)


@dataclass(frozen=True)
class Grid:
    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    def print(self, console: Console) -> None:
        table = Table(title=self.title, title_justify="left")
        for position, heading in enumerate(self.headings):
            table.add_column(heading, justify="right" if position else "left")
        for row in self.rows:
            table.add_row(*row)
        console.print(table)

    def markdown(self) -> str:
        rule = ["---", *("---:" for _ in self.headings[1:])]
        lines = [f"| {' | '.join(row)} |" for row in (self.headings, rule, *self.rows)]
        return "\n".join([f"**{self.title}**", "", *lines])


def number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def judged(row: Row) -> tuple[str, ...]:
    """The floor, the aim and the verdict of a row."""
    if row.goal is None:
        return ("", "", "")
    bounds = number(row.goal.floor), number(row.goal.aim)
    return (*bounds, row.goal.verdict(row.measured))


def throughput(rounds: Rounds, programs: Sequence[str]) -> Grid:
    """Compare each program with the raw one, and the last one with its goal."""
    rows = []
    for name, measured in rounds.items():
        operation = OPERATIONS[name]
        share = shares(measured)
        ours = Row(operation.title, share[programs[-1]], operation.goal)
        raw = median(each.rate for each in measured[programs[0]])
        others = [number(share[each]) if each in share else "" for each in programs[1:]]
        rows.append((operation.title, f"{raw:,.0f}/s", *others, *judged(ours)))
    return Grid(
        "Throughput, as a share of the raw program",
        ("operation", *programs, "floor", "aim", "reached"),
        rows,
    )


def shares(measured: Mapping[str, Sequence[Round]]) -> dict[str, float]:
    raw = [each.rate for each in next(iter(measured.values()))]
    return {
        program: ratio([each.rate for each in rounds], raw)
        for program, rounds in measured.items()
    }


def cpu(rounds: Rounds, programs: Sequence[str]) -> Grid:
    """Show the CPU time, and how busy the core was."""
    rows = [
        (OPERATIONS[name].title, *(_cpu(measured.get(each, ())) for each in programs))
        for name, measured in rounds.items()
    ]
    title = "CPU µs of the worker for a request (busy part of its core)"
    return Grid(title, ("operation", *programs), rows)


def _cpu(rounds: Sequence[Round]) -> str:
    if not rounds:
        return ""
    microseconds = median(each.cpu for each in rounds)
    busy = min(1.0, median(each.busy for each in rounds))
    return f"{microseconds:,.0f} ({busy:.0%})"


def others(rows: Iterable[Row]) -> Grid:
    return Grid(
        "Latency, logins, start and memory",
        ("what", "measured", "details", "limit", "aim", "reached"),
        [(*row.cells, *judged(row)) for row in rows],
    )
