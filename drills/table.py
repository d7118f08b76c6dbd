"""The drills in a terminal: a table while they run, and plain lines elsewhere."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table as RichTable

from drills.catalogue import Drill
from drills.timeline import Outcome

NOTICED = {True: "noticed", False: "NOT NOTICED"}


@dataclass
class Result:
    """The last run of a drill. `mutants` tells which mutants the drill noticed."""

    drill: Drill
    outcome: Outcome | None = None
    seconds: float = 0.0
    began: float = 0.0  # 0 unless the drill is running
    mutants: dict[str, bool] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        kept = self.outcome is None or self.outcome.kept
        return kept and False not in self.mutants.values()

    @property
    def verdict(self) -> str:
        if self.outcome is None:
            return "not run"
        return "kept" if self.outcome.kept else "BROKEN"


class Table:
    """Shows the results, and notes which drill is running."""

    def __init__(self, results: Sequence[Result]) -> None:
        self.results = results
        self.console = Console(highlight=False)
        self.live = Live(
            get_renderable=self.render, console=self.console, refresh_per_second=4
        )

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self.live.__exit__(None, None, None)

    @contextmanager
    def running(self, result: Result) -> Iterator[None]:
        result.began = time.monotonic()
        yield
        result.began = 0.0
        if not self.console.is_terminal:
            print("\n  ".join(self.lines(result)), flush=True)

    def lines(self, result: Result) -> list[str]:
        drill, outcome = result.drill, result.outcome
        assert outcome is not None
        first = (
            f"{result.verdict}: {drill.promise} ({drill.name}, {result.seconds:.0f} s)"
        )
        mutants = [f"{NOTICED[it]}: {name}" for name, it in result.mutants.items()]
        return [first, *str(outcome).splitlines(), *mutants, *result.problems]

    def render(self) -> RichTable:
        table = RichTable("", "Drill", "Promise", "Seconds", "Figures", box=box.SIMPLE)
        for each in self.results:
            if each.outcome is None and not each.began:
                continue
            tried = len(each.mutants)
            mutants = f"{sum(each.mutants.values())} of {tried} mutants noticed"
            passed = time.monotonic() - each.began if each.began else each.seconds
            table.add_row(
                "…" if each.began else "✓" if each.is_good else "✗",
                each.drill.name,
                each.drill.promise,
                f"{passed:.0f}",
                "\n".join([str(each.outcome or ""), *([mutants] if tried else [])]),
                style="" if each.began else "green" if each.is_good else "red",
            )
        return table
