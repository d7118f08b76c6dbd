"""How commands speak: results on stdout, everything else on stderr."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress

Result = TypeVar("Result")

output = Console(soft_wrap=True, highlight=False)
errors = Console(soft_wrap=True, highlight=False, stderr=True)


def fail(message: str) -> NoReturn:
    errors.print(f"Error: {message}", markup=False)
    raise typer.Exit(1)


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a command's work; expected refusals end it with one line and code 1."""
    from app.core.errors import AppError
    from app.db.migrate import MigrationFailed

    try:
        return asyncio.run(work)
    except AppError as error:
        faults = getattr(error, "errors", [])
        said = [error.detail, *(fault["message"] for fault in faults)]
        fail(" ".join(dict.fromkeys(said)))  # the detail may be its only message
    except (MigrationFailed, OSError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("interrupted")


class LineProgress:
    """Progress where there is no terminal: a line each tenth of the way."""

    def __init__(self, description: str, total: int) -> None:
        self.description = description
        self.total = total
        self.done = 0

    def advance(self, count: int) -> None:
        before = self.done * 10 // self.total
        self.done += count
        if self.done * 10 // self.total > before:
            errors.print(f"{self.description}: {self.done} of {self.total}")


class BarProgress:
    """Progress on a terminal."""

    def __init__(self, bar: Progress, description: str, total: int) -> None:
        self.bar = bar
        self.task = bar.add_task(description, total=total)

    def advance(self, count: int) -> None:
        self.bar.advance(self.task, count)


@asynccontextmanager
async def progress(
    description: str, total: int
) -> AsyncGenerator[LineProgress | BarProgress]:
    """Show how far long work is."""
    if not errors.is_terminal:
        yield LineProgress(description, total)
        return
    with Progress(console=errors) as bar:
        yield BarProgress(bar, description, total)
