"""The hooks and patches of gunicorn and uvicorn that `test_service.py` does not reach.

`test_edge.py` tests the answers of their parsers.
"""

import gc
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from gunicorn.asgi import protocol

from app.server.gunicorn_conf import collect_less
from testbed.service import Service, make_environment, start_service

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
    """Ctrl-C ends gunicorn with the exit code of an interrupted command.

    Mutants: read the settings again in each worker, although `.env` can have changed;
    exit with 0 after Ctrl-C.
    """
    with start_service(tmp_path, environment=environment) as service:
        (tmp_path / ".env").write_text("ENVIRONMENT=nonsense\n")
        [first] = workers(service)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: len(workers(service)) == 2)

        answer = httpx2.get(f"{service.url}/api/v1/health/live", timeout=60)

        assert answer.status_code == 200
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(60) == 130


def test_the_garbage_collector_of_a_worker_skips_the_application() -> None:
    """Mutant: leave out `gc.freeze()`."""
    try:
        collect_less()

        assert len(gc.get_objects()) < gc.get_freeze_count() / 10
    finally:
        gc.unfreeze()


def test_a_worker_has_no_table_of_the_sizes_of_chunks() -> None:
    """Mutant: keep the table."""
    assert not protocol._CHUNK_PREFIXES
