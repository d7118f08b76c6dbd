"""The service as in production: processes, a port, a log."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import orjson

from testbed import patience
from testbed.commands import run_app
from testbed.processes import leashed

ROOT = Path(__file__).parents[1]
STARTED_WITHIN_SECONDS = 120
WORKER_CLASSES = (
    "asgi",
    "uvicorn_worker.UvicornWorker",
    "uvicorn.workers.UvicornWorker",
)


@dataclass
class Service:
    port: int
    process: subprocess.Popen[bytes]
    log_file: Path
    environment: Mapping[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log(self) -> list[dict[str, Any]]:
        """Read all complete lines of the log, each of which must be JSON."""
        *whole, _ = self.log_file.read_bytes().split(b"\n")
        return [orjson.loads(line) for line in whole]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)


def command(
    *arguments: str,
    environment: Mapping[str, str],
    stdin: str = "",
    program: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Run `python -m app`, or another Python program, outside the repository."""
    if not program:
        return run_app(arguments, environment, stdin)
    return subprocess.run(
        [sys.executable, *program, *arguments],
        cwd=environment["HOME"],
        env=environment,
        input=stdin,
        text=True,
        capture_output=True,
        check=False,
    )


def start_worker(environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Run `python -m app worker` until the caller ends it."""
    return subprocess.Popen(
        leashed((sys.executable, "-m", "app", "worker"), signal.SIGKILL, "-"),
        cwd=environment["HOME"],
        env=environment,
        stdout=subprocess.DEVNULL,
    )


def make_environment(home: Path, **settings: str) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "LOG_FORMAT": "json",
        "ENVIRONMENT": "development",
        "SECRET_KEY": "a-key-of-the-testbed-0123456789-abcdef",
        **{name.upper(): str(value) for name, value in patience.SETTINGS.items()},
        **settings,
    }


@contextmanager
def start_service(
    home: Path,
    *arguments: str,
    environment: Mapping[str, str],
    app: str = "app.main:app",
    output: int | None = None,
    port: int = 0,
    listeners: Sequence[socket.socket] = (),
) -> Iterator[Service]:
    """Run gunicorn with these arguments until the application answers.

    `output` is a file descriptor that gets the log instead of `log_file`. Without
    `port`, the service gets a free port. It also answers on the sockets `listeners`.
    """
    # Bind the port here, so that no other process takes it before gunicorn does.
    with socket.create_server(("127.0.0.1", port)) as listener:
        port = listener.getsockname()[1]
        opened = [each.fileno() for each in (listener, *listeners)]
        line: Sequence[str] = (
            *(sys.executable, "-m", "gunicorn", app),
            *("--config", str(ROOT / "gunicorn.conf.py")),
            *(f"--bind=fd://{number}" for number in opened),
            *arguments,
        )
        log_file = home / f"service-{port}.log"
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                line,
                cwd=home,
                env=environment,
                stdout=log if output is None else output,
                stderr=subprocess.STDOUT,
                pass_fds=opened,
            )
    service = Service(port, process, log_file, environment)
    try:
        wait_for(service)
        yield service
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(120)


def wait_for(service: Service) -> None:
    deadline = time.monotonic() + STARTED_WITHIN_SECONDS
    while service.process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(f"{service.url}/api/v1/health/live", timeout=60):  # noqa: S310
                return
        except HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"The service did not start:\n{service.log_file.read_text()}")
