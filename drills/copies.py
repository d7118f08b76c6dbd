"""Copies of the repository in which a drill runs commands."""

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from testbed.checkouts import make_checkout
from testbed.service import ROOT

INDEX = ("PIP_", "UV_", "SSL_")


class DrillFailed(Exception):
    """A command failed, or left something behind that it should have removed."""


class Copy:
    """A copy of the repository, and the commands that run in it."""

    def __init__(self, directory: Path, postgres_url: str) -> None:
        self.directory = directory
        self.postgres_url = postgres_url
        self.python_path = ""  # has the package metadata, if the copy was renamed

    def link_environment(self) -> None:
        """Link to the virtual environment of the repository.

        The copy gets new stamps, so that `make` does not install anything.
        """
        (self.directory / ".venv").mkdir()
        for part in ("bin", "lib", "pyvenv.cfg"):
            (self.directory / ".venv" / part).symlink_to(ROOT / ".venv" / part)
        self.renew_stamps()

    def renew_stamps(self) -> None:
        for stamp in ("base", "dev", "audit", "docs"):
            (self.directory / ".venv" / stamp).touch()

    def run(self, *command: str, database_url: str = "") -> str:
        environment = {
            # These name the package index, which `make check` needs for lock files.
            **{k: v for k, v in os.environ.items() if k.startswith(INDEX)},
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.directory),
            "TEST_DATABASE_URL": self.postgres_url,
            "PYTHONPATH": self.python_path,
            "ENVIRONMENT": "development",
            "SECRET_KEY": "k3vQ9sLx7RmZ2pTf8WcYb5NdHjA4gUeK",
        }
        if database_url:
            environment["DATABASE_URL"] = database_url
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            raise DrillFailed(f"{' '.join(command)}\n{done.stdout[-6000:]}")
        return done.stdout

    def app(self, *arguments: str, database_url: str = "") -> str:
        python = ".venv/bin/python"
        return self.run(python, "-m", "app", *arguments, database_url=database_url)

    def test(self, *arguments: str) -> str:
        python = ".venv/bin/python"
        return self.run(python, "-m", "pytest", "-q", *arguments)

    def collect(self) -> None:
        """Import all tests, to find imports of modules that were removed."""
        self.test("-n0", "--collect-only")

    def check(self, *, short: bool, tests: Sequence[str]) -> None:
        """Run `make check` and these tests, or all tests if `tests` is empty.

        With `short`, run only a part of `make check`.
        """
        self.run("git", "add", "--all")  # a test reads the list of files
        if short:
            self.run(".venv/bin/ruff", "check", ".")
            self.run(".venv/bin/lint-imports", "--no-cache")
            self.run(".venv/bin/python", "-m", "linting")
            self.run(".venv/bin/python", "-m", "reference", "--check")
        else:
            self.run("make", "check")
        # The test suite runs the short form, and already uses the other cores.
        tested = self.test("-n0" if short else "-nauto", *tests)
        print(f" {tested.splitlines()[-1]}", end="")


def make_copy(directory: Path, postgres_url: str) -> Copy:
    make_checkout(directory)
    copy = Copy(directory, postgres_url)
    copy.link_environment()
    return copy


@contextmanager
def step(name: str) -> Iterator[None]:
    started = time.monotonic()
    print(f"{name} …", end="", flush=True)
    yield
    print(f" {time.monotonic() - started:.0f} s")
