"""Measures the time and the memory that a resource with a million rows needs."""

import argparse
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import data
from bench.programs import Program, make_environment
from bench.registry import parts
from testbed.postgres import start_postgres


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args(arguments)
    for resource, part in parts("scale").items():
        report = Report(f"{options.rows:,} {resource} on PostgreSQL", options.rows)
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            postgres = stack.enter_context(start_postgres(directory))
            environment = make_environment(postgres.url, **part.SETTINGS)
            data.prepare(environment)
            program = Program("this application", directory, environment)
            stack.callback(program.stop)
            program.start_on_a_free_port()
            part.measure(report, Service(program, postgres.url, directory))
        report.print()


class Report:
    """The measurements of one resource, each next to its limit."""

    def __init__(self, title: str, rows: int) -> None:
        self.rows = rows
        self.table = Table(title=title)
        for heading in ("what", "measured", "limit", "ratio"):
            self.table.add_column(
                heading, justify="left" if heading == "what" else "right"
            )

    def add_rate(self, what: str, seconds: float, limit: float) -> None:
        rates = (f"{self.rows / each:,.0f} rows/s" for each in (seconds, limit))
        self.table.add_row(what, *rates, f"{limit / seconds:.2f}")

    def add_time(self, what: str, seconds: float, limit: float) -> None:
        times = (f"{each * 1000:.2f} ms" for each in (seconds, limit))
        self.table.add_row(what, *times, f"{seconds / limit:.2f}")

    def add_memory(self, what: str, grown: int) -> None:
        measured = f"{grown / 2**20:.0f} MiB"
        self.table.add_row(f"memory since idle, {what}", measured, "64 MiB", "")

    def print(self) -> None:
        Console().print(self.table)


@dataclass(frozen=True)
class Service:
    """The running application, its database, and a directory for files."""

    program: Program
    database_url: str
    directory: Path

    @property
    def port(self) -> int:
        return self.program.port

    @contextmanager
    def watch_memory(self) -> Iterator[list[int]]:
        """Yield a list with one item: the largest memory of the worker so far."""
        ended = threading.Event()
        most = [self.program.resident_bytes()]

        def watch() -> None:
            while not ended.wait(0.05):
                most[0] = max(most[0], self.program.resident_bytes())

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield most
        finally:
            ended.set()
            watcher.join()


if __name__ == "__main__":
    main()
