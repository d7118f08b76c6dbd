"""The programs that are compared. All run in gunicorn with the same configuration."""

import os
import secrets
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.core.security import SecretRing
from bench.data import ROOT
from bench.load import LoadFailed, ask
from bench.operations import Target
from testbed.processes import ENVIRONMENT, Server

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
RAW, ORM, APPLICATION = "raw ASGI + asyncpg", "FastAPI + ORM", "this application"
TARGETS = {
    RAW: "bench.raw_asgi:app",
    "raw without pool reset": "bench.raw_asgi:without_reset",
    "Starlette + asyncpg": "bench.starlette_asyncpg:app",
    "FastAPI + asyncpg": "bench.fastapi_asyncpg:app",
    ORM: "bench.fastapi_orm:app",
    APPLICATION: "app.main:app",
}


class Program(Server):
    """A program, under the application's own gunicorn configuration."""

    parting = signal.SIGQUIT

    def __init__(
        self,
        name: str,
        directory: Path,
        environment: Mapping[str, str],
        *,
        workers: int = 1,
        python: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.environment = environment
        self.workers = workers
        self.python = python  # options of the interpreter
        super().__init__(directory)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.end(signal.SIGQUIT)

    def cpu_seconds(self) -> float:
        """The CPU time that the workers have used so far, with all their threads."""
        stats = [text.rpartition(")")[2].split() for text in self._read_workers("stat")]
        return sum(int(s[11]) + int(s[12]) for s in stats) / TICKS_PER_SECOND

    def resident_bytes(self) -> int:
        """The memory of the largest worker."""
        pages = [int(text.split()[1]) for text in self._read_workers("statm")]
        return max(pages) * PAGE_BYTES

    def _read_workers(self, name: str) -> list[str]:
        """Read a file of proc(5)."""
        assert self.process is not None
        arbiter = self.process.pid
        children = Path(f"/proc/{arbiter}/task/{arbiter}/children").read_text()
        return [Path(f"/proc/{pid}/{name}").read_text() for pid in children.split()]

    def _command(self) -> Sequence[str | Path]:
        options = ("--workers", str(self.workers), "--worker-class", "asgi")
        config = ("--config", str(ROOT / "app/server/gunicorn_conf.py"))
        address = ("--bind", f"127.0.0.1:{self.port}")
        gunicorn = (sys.executable, *self.python, "-m", "gunicorn")
        return [*gunicorn, *config, *options, *address, TARGETS[self.name]]

    def _is_ready(self) -> bool:
        target = Target(self.port)
        try:
            return ask(target, target.request("GET", "/nowhere")).status == 404
        except (OSError, LoadFailed):
            return False


def make_environment(database_url: str, **settings: str) -> dict[str, str]:
    secret = secrets.token_hex(32)
    return {
        **ENVIRONMENT,
        "PYTHONPATH": str(ROOT),
        "ENVIRONMENT": "staging",  # production refuses to run without limits
        "RATE_LIMIT_ENABLED": "false",
        "ALLOWED_HOSTS": "127.0.0.1",
        "DATABASE_URL": database_url,
        "DB_POOL_SIZE": "5",
        # Other work on the machine must not make the application refuse requests.
        "MAX_IN_FLIGHT": "1000",
        "SECRET_KEY": secret,
        "ACCESS_TOKEN_EXPIRE_MINUTES": "60",
        # For the comparison programs, which accept the application's tokens.
        "TOKEN_KEY": SecretRing(secret.encode()).derive("access-token-v1").hex(),
        **settings,
    }
