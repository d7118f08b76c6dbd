"""The rounds of a run as one table of medians and ratios."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from bench.load import WRK


class Round(NamedTuple):
    requests: int
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @property
    def cpu_microseconds(self) -> float:
        return self.cpu_seconds / self.requests * 1e6

    @property
    def core_share(self) -> float:
        return self.cpu_seconds / self.seconds


def print_report(rounds: Mapping[tuple[str, str], Sequence[Round]]) -> None:
    """Print a row for each operation and program; the first program is the limit."""
    table = Table(title="Medians of interleaved rounds, one worker on one core")
    table.add_column("operation", no_wrap=True)
    table.add_column("program", no_wrap=True)
    for heading in ("requests/s", "of limit", "CPU µs", "of limit", "core busy"):
        table.add_column(heading, justify="right", no_wrap=True)
    limit, limit_cpu, current = 0.0, 0.0, ""
    for (operation, program), measured in rounds.items():
        rate = median(each.rate for each in measured)
        cpu = median(each.cpu_microseconds for each in measured)
        if operation != current:
            table.add_section()
            limit, limit_cpu = rate, cpu
        table.add_row(
            operation if operation != current else "",
            program,
            f"{rate:,.0f}",
            f"{rate / limit:.2f}",
            f"{cpu:,.0f}",
            f"{cpu / limit_cpu:.2f}",
            f"{median(each.core_share for each in measured):.0%}",
        )
        current = operation
    console = Console(width=max(Console().width, 92))
    console.print(table)
    generator = "wrk" if WRK else "our own client"
    console.print(
        f"Load by {generator}; it and PostgreSQL ran on the other cores. CPU is the"
        " worker's alone. Compare the ratios: other machines and other neighbours"
        " give other figures."
    )
