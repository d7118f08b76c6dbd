"""Reads the drills. Each has a promise, and mutants that the drill must notice.

`drills/failures/` lists them. A drill is a program, or tests of the suite.
"""

import shutil
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pydantic import TypeAdapter

FAILURES = Path(__file__).with_name("failures")
PROGRAMS = "/usr/sbin:/usr/bin:/usr/local/bin"


class PatchFailed(Exception):
    """The text that a mutant replaces is not in the file, or is in it several times."""


@dataclass(frozen=True)
class Mutant:
    """A change that breaks the application, and that the drill must notice."""

    name: str
    file: str
    old: str
    new: str
    arguments: str = ""  # for the drill, if the mutant needs others than `short`

    def patched(self, root: Path) -> tuple[Path, str, str]:
        """Return the file below `root`, its text, and the text with the change."""
        file = root / self.file
        text = file.read_text()
        if text.count(self.old) != 1:
            count = text.count(self.old)
            raise PatchFailed(f"{self.name}: {self.file} has the text {count} times.")
        return file, text, text.replace(self.old, self.new)

    @contextmanager
    def applied(self, root: Path) -> Iterator[None]:
        file, text, changed = self.patched(root)
        file.write_text(changed)
        try:
            yield
        finally:
            file.write_text(text)


@dataclass(frozen=True)
class Drill:
    """A drill runs the module `program` with its arguments, or it runs `tests`.

    `short` and `long` are further arguments of the program. A program without `short`
    runs only with `--long` or by its name. So do the drills that run tests, because
    `make test` runs these tests anyway.
    """

    name: str
    promise: str
    program: str = ""
    short: str | None = None
    long: str = ""
    tests: Sequence[str] = ()
    needs: str = ""  # a program or a package that must be installed
    attempts: int = 1  # a busy machine can break a promise about times, so try again
    mutant: Sequence[Mutant] = ()
    group: str = ""

    @property
    def needs_the_machine(self) -> bool:
        """Whether the drill runs alone: it measures times, or its tests share data."""
        return self.attempts > 1 or not self.program

    @property
    def command(self) -> str:
        return f"python -m {self.program or 'pytest'} {' '.join(self.tests)}".strip()

    @property
    def is_possible(self) -> bool:
        needs = self.needs
        return not needs or bool(shutil.which(needs, path=PROGRAMS) or find_spec(needs))


def read() -> list[Drill]:
    """List the drills, in the order of the files."""
    tables = [
        {**table, "group": group["group"]}
        for file in sorted(FAILURES.glob("*.toml"))
        for group in [tomllib.loads(file.read_text())]
        for table in group["drill"]
    ]
    return TypeAdapter(list[Drill]).validate_python(tables)
