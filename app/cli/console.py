"""Output of the commands: results go to stdout, all other lines to stderr."""

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any, BinaryIO, NoReturn, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task, TimeElapsedColumn
from rich.text import Text

from app.core.settings.database import DatabaseSettings

P = ParamSpec("P")
Result = TypeVar("Result")
AnySettings = TypeVar("AnySettings", bound=DatabaseSettings)
INTERRUPTED = 130  # the exit code that shells give a command after Ctrl-C

PLAIN = {"soft_wrap": True, "highlight": False, "markup": False, "emoji": False}
output = Console(**PLAIN)  # type: ignore[arg-type]
errors = Console(**PLAIN, stderr=True)  # type: ignore[arg-type]


def fail(message: str, code: int = 1) -> NoReturn:
    errors.print(f"Error: {message}")
    raise typer.Exit(code)


def run(work: Coroutine[Any, Any, Result]) -> Result:
    try:
        return asyncio.run(_cancelled_by_sigterm(work))
    except (KeyboardInterrupt, asyncio.CancelledError):
        fail("Interrupted.", INTERRUPTED)


def awaited(
    command: Callable[P, Coroutine[Any, Any, Result]],
) -> Callable[P, Result]:
    """Let a command be a coroutine function, which Typer cannot call.

    Do not use this decorator for a command that prompts: the event loop takes the first
    Ctrl-C, so that the prompt does not see it.
    """

    @wraps(command)
    def run_command(*arguments: P.args, **options: P.kwargs) -> Result:
        return run(command(*arguments, **options))

    return run_command


async def _cancelled_by_sigterm(work: Coroutine[Any, Any, Result]) -> Result:
    """Treat SIGTERM like Ctrl-C, so that the command can report its progress."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()

    def cancel(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second SIGTERM kills
        loop.call_soon_threadsafe(task.cancel)

    signal.signal(signal.SIGTERM, cancel)
    try:
        return await task
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def existing(settings: AnySettings) -> AnySettings:
    """Fail if the database file is missing, because SQLite would create it."""
    if settings.lacks_file:
        fail(
            f"The database file {settings.sqlite_file} does not exist. "
            "Check DATABASE_URL, or run `db upgrade`."
        )
    return settings


def binary_stdout() -> BinaryIO:
    if sys.stdout is None:  # the process was started with `>&-`
        fail("stdout is closed.")
    return sys.stdout.buffer


class LineProgress:
    """Progress without a terminal: a line for each tenth of the work."""

    def begin(self, description: str, total: int | None = None, unit: str = "") -> None:
        self.description = description
        self.total = total
        self.unit = unit
        self.done = 0
        if total is None:
            errors.print(description)

    def advance(self, count: int) -> None:
        before, self.done = self.done, self.done + count
        if self.total and self.done * 10 // self.total > before * 10 // self.total:
            errors.print(f"{self.description}: {self.done} of {self.total} {self.unit}")


class Amount(ProgressColumn):
    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text()
        done = f"{task.completed:,.0f} of {task.total:,.0f}"
        return Text(f"{done} {task.fields['unit']}")


class BarProgress:
    """Progress on a terminal: a bar for each part of the work."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars

    def begin(self, description: str, total: int | None = None, unit: str = "") -> None:
        self.task = self.bars.add_task(description, total=total, unit=unit)

    def advance(self, count: int) -> None:
        self.bars.advance(self.task, count)


@asynccontextmanager
async def progress() -> AsyncGenerator[LineProgress | BarProgress]:
    """Show how much of the work is done, or, without a total, that work continues."""
    if not errors.is_terminal:
        yield LineProgress()
        return
    columns = (*Progress.get_default_columns(), Amount(), TimeElapsedColumn())
    with Progress(*columns, console=errors) as bars:
        yield BarProgress(bars)
