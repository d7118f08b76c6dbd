"""The programs compared, each behind one gunicorn worker pinned to one core."""

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.data import ROOT
from bench.load import LoadFailed, ask
from bench.operations import Target
from testbed.processes import Server

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
TARGETS = {
    "raw ASGI + asyncpg": "bench.raw_asgi:app",
    "bare FastAPI + ORM": "bench.bare_fastapi:app",
    "this application": "app.main:app",
}


class Program(Server):
    """One of the three, under the application's own gunicorn configuration."""

    parting = signal.SIGQUIT

    def __init__(
        self, name: str, directory: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.environment = environment
        super().__init__(directory)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.end(signal.SIGQUIT)

    def cpu_seconds(self) -> float:
        """What the worker, with all its threads, has used so far (proc(5))."""
        assert self.process is not None
        arbiter = self.process.pid
        children = Path(f"/proc/{arbiter}/task/{arbiter}/children").read_text()
        (worker,) = children.split()
        fields = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def _command(self) -> Sequence[str | Path]:
        options = ("--workers", "1", "--worker-class", "asgi")
        config = ("--config", ROOT / "app/server/gunicorn_conf.py")
        address = ("--bind", f"127.0.0.1:{self.port}")
        target = TARGETS[self.name]
        return [sys.executable, "-m", "gunicorn", *config, *options, *address, target]

    def _is_ready(self) -> bool:
        target = Target(self.port)
        try:
            request = target.request("GET", "/products?limit=20")
            return ask(target, request).status == 200
        except (OSError, LoadFailed):
            return False


@contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """Processes started inside run on these cores, and so do their children."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
