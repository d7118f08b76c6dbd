"""The hooks and patches of gunicorn and uvicorn that `test_service.py` does not reach.

`test_edge.py` holds the answers of their parsers.
"""

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from testbed.service import WORKER_CLASSES, Service, make_environment, start_service

BOOTING = "Booting worker with pid: "
SECRET = "a-long-enough-key-that-is-only-for-tests-0123456789"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return make_environment(tmp_path, SECRET_KEY=SECRET)


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def events(service: Service) -> list[str]:
    return [str(line["event"]) for line in service.log()]


def workers(service: Service) -> list[int]:
    """List the process ids of all workers that were started so far."""
    booting = (event for event in events(service) if event.startswith(BOOTING))
    return [int(event.removeprefix(BOOTING)) for event in booting]


def test_a_replaced_worker_keeps_the_settings_of_startup(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Mutant: read the settings in each worker, while `.env` is being edited."""
    with start_service(tmp_path, environment=environment) as service:
        (tmp_path / ".env").write_text("ENVIRONMENT=nonsense\n")
        [first] = workers(service)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: len(workers(service)) == 2)

        answer = httpx2.get(f"{service.url}/api/v1/health/live", timeout=60)

        assert answer.status_code == 200


@pytest.mark.parametrize("worker_class", WORKER_CLASSES[1:])
def test_uvicorn_shuts_down_while_a_client_is_connected(
    environment: dict[str, str], tmp_path: Path, worker_class: str
) -> None:
    """Mutant: wait for the client until gunicorn kills the worker."""
    options = ("--worker-class", worker_class, "--graceful-timeout", "3")
    with (
        start_service(tmp_path, *options, environment=environment) as service,
        socket.create_connection(("127.0.0.1", service.port), 60) as client,
    ):
        client.sendall(
            b"POST /api/v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert client.recv(65_536).startswith(b"HTTP/1.1 100 ")
        [worker] = workers(service)

        os.kill(worker, signal.SIGTERM)

        wait_until(lambda: "Application shutdown complete." in events(service))
        assert any(event.startswith("Cancel 1 ") for event in events(service))
