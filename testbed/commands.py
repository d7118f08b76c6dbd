"""Runs `python -m app` in a process that has imported the libraries already.

Importing them takes half a second of CPU time, ten times as long as most commands.
"""

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

# One server for each process that runs tests. It forks itself for each command.
forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(["app.cli", "app.state", "app.db.migrate", "alembic"])


def run_app(
    arguments: tuple[str, ...], environment: Mapping[str, str], stdin: str
) -> subprocess.CompletedProcess[str]:
    """Run a command outside the repository until it ends."""
    with tempfile.TemporaryDirectory() as directory:
        paths = [Path(directory, name) for name in ("stdin", "stdout", "stderr")]
        paths[0].write_text(stdin)
        process = forks.Process(target=_run, args=(arguments, environment, paths))
        process.start()
        process.join()
        output, errors = (path.read_text() for path in paths[1:])
    return subprocess.CompletedProcess(arguments, process.exitcode or 0, output, errors)


def _run(
    arguments: tuple[str, ...], environment: Mapping[str, str], paths: list[Path]
) -> None:
    os.chdir(environment["HOME"])
    os.environ.clear()
    os.environ.update(environment)
    sys.stdin, sys.stdout, sys.stderr = map(_redirect, range(3), paths, "rww")
    sys.argv = ["app", *arguments]
    try:
        runpy.run_module("app", run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()


def _redirect(number: int, path: Path, mode: str) -> IO[str]:
    """Replace a standard stream by a file, also for code in C."""
    file = path.open(mode)
    os.dup2(file.fileno(), number)
    return file
