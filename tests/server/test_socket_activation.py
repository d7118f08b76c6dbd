"""systemd keeps the port open, so that a restart refuses no connection."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2

from testbed.service import Service, make_environment, wait_for

# As systemd does: file descriptor 3 is the listener, LISTEN_PID the process itself.
START = 'exec 3<&"$1"; export LISTEN_FDS=1 LISTEN_PID=$$; shift; exec "$@"'
LINE = ("-m", "gunicorn", "--config=python:app.server.gunicorn_conf")


@contextmanager
def activated(listener: socket.socket, home: Path) -> Iterator[Service]:
    """Start gunicorn as the unit does, in a directory without `gunicorn.conf.py`."""
    fd, environment = str(listener.fileno()), make_environment(home)
    log_file = home / "service.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", START, "start", fd, sys.executable, *LINE],
            cwd=home,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[listener.fileno()],
        )
    service = Service(listener.getsockname()[1], process, log_file, environment)
    try:
        yield service
    finally:
        if process.poll() is None:
            service.stop()


def test_connections_wait_while_the_service_restarts(tmp_path: Path) -> None:
    """Mutant: refuse connections with a filter, which stays on systemd's socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as to:
        with activated(listener, tmp_path) as service:
            wait_for(service)
            assert service.stop() == 0
        # The service is down.
        url = f"{service.url}/api/v1/health/live"
        answer = to.submit(httpx2.get, url, timeout=120)
        with activated(listener, tmp_path):
            assert answer.result().status_code == 200
