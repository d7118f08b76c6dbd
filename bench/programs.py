"""The programs compared, each behind one gunicorn worker."""

import os
import secrets
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from app.db.models.user import Role
from app.services.accounts.roles import SCOPES
from bench.data import ROOT
from bench.load import LoadFailed, ask
from bench.operations import Target
from testbed.processes import ENVIRONMENT, Server

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
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
        """The CPU time that the worker has used so far, with all its threads."""
        fields = self._read_worker("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def resident_bytes(self) -> int:
        """The memory of the worker."""
        return int(self._read_worker("statm").split()[1]) * PAGE_BYTES

    def _read_worker(self, name: str) -> str:
        """Read a file of proc(5)."""
        assert self.process is not None
        arbiter = self.process.pid
        children = Path(f"/proc/{arbiter}/task/{arbiter}/children").read_text()
        (worker,) = children.split()
        return Path(f"/proc/{worker}/{name}").read_text()

    def _command(self) -> Sequence[str | Path]:
        options = ("--workers", "1", "--worker-class", "asgi")
        config = ("--config", ROOT / "app/server/gunicorn_conf.py")
        address = ("--bind", f"127.0.0.1:{self.port}")
        target = TARGETS[self.name]
        return [sys.executable, "-m", "gunicorn", *config, *options, *address, target]

    def _is_ready(self) -> bool:
        target = Target(self.port)
        try:
            return ask(target, target.request("GET", "/nowhere")).status == 404
        except (OSError, LoadFailed):
            return False


def make_environment(database_url: str, **settings: str) -> dict[str, str]:
    return {
        **ENVIRONMENT,
        "PYTHONPATH": str(ROOT),
        "ENVIRONMENT": "staging",  # production refuses to run without limits
        "RATE_LIMIT_ENABLED": "false",
        "ALLOWED_HOSTS": "127.0.0.1",
        "DATABASE_URL": database_url,
        "SECRET_KEY": secrets.token_hex(32),
        "ACCESS_TOKEN_EXPIRE_MINUTES": "60",
        "TOKEN_SCOPE": " ".join(
            sorted(SCOPES[Role.EDITOR])
        ),  # for the comparison programs
        **settings,
    }


@contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """Run processes that start inside, and their children, on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
