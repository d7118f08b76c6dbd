"""The metrics of several workers, and of the mail worker, in real processes."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.core.metric_files import MEMORY, PREFIX
from testbed.service import (
    Service,
    command,
    make_environment,
    start_service,
    start_worker,
)
from tests.support.servers import SECRET

TOKEN = {"Authorization": "Bearer a-token-of-prometheus"}
Answer = TypeVar("Answer")
REQUESTS = "http_server_request_duration_seconds_count"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    environment = make_environment(
        tmp_path_factory.mktemp("metrics"),
        SECRET_KEY=SECRET,
        METRICS_TOKEN=TOKEN["Authorization"].removeprefix("Bearer "),
        METRICS_PORT=str(free_port()),
        SMTP_URL="smtp://127.0.0.1:1",
        OUTBOX_IN_PROCESS="false",
    )
    assert command("db", "upgrade", environment=environment).returncode == 0
    return environment


def scrape(url: str) -> dict[str, float]:
    """Sum the series of each metric."""
    answer = httpx2.get(f"{url}/metrics", headers=TOKEN, timeout=60)
    assert answer.status_code == 200
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0) + sample.value
    return sums


def eventually(ask: Callable[[], Answer | None]) -> Answer:
    """Ask until there is an answer, because another process cannot set our event."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(0.05)
    raise AssertionError("nothing happened")


def port_of(environment: dict[str, str]) -> str:
    return f"http://127.0.0.1:{environment['METRICS_PORT']}"


@pytest.fixture(scope="module")
def service(environment: dict[str, str]) -> Iterator[Service]:
    home, workers = Path(environment["HOME"]), ("--workers", "3")
    with start_service(home, *workers, environment=environment) as service:
        yield service


class TestWorkers:
    def test_answer_with_the_sum_of_all_also_after_one_was_killed(
        self, service: Service, environment: dict[str, str]
    ) -> None:
        """Mutants: show the metrics of one worker; forget those of a killed worker."""
        asked, pids = 0, set[int]()
        while len(pids) < 2:
            for _ in range(20):
                httpx2.get(f"{service.url}/absent", timeout=60)
            asked += 20
            lines = [line for line in service.log() if "status_code" in line]
            pids |= {line["process_pid"] for line in lines}
        assert scrape(service.url)[REQUESTS] == asked

        os.kill(min(pids), signal.SIGKILL)
        directory = find_directory(service)
        eventually(lambda: not [*directory.glob(f"*_{min(pids)}.db")])

        for url in (service.url, port_of(environment)):
            sums = scrape(url)
            assert sums[REQUESTS] == asked
            assert sums["app_info"] == 1

    def test_delete_the_files_of_their_instance_when_it_stops(
        self, service: Service
    ) -> None:
        directory = find_directory(service)
        assert service.stop() == 0
        assert not directory.exists()


def find_directory(service: Service) -> Path:
    [directory] = MEMORY.glob(f"{PREFIX}{service.process.pid}-*")
    return directory


def test_the_mail_worker_has_metrics_on_the_port(environment: dict[str, str]) -> None:
    worker = start_worker(environment)
    try:
        sums = eventually(lambda: reached(port_of(environment)))
        without = httpx2.get(f"{port_of(environment)}/metrics", timeout=60)
    finally:
        worker.terminate()
        worker.wait(60)

    assert sums["app_info"] == 1
    assert sums["outbox_pending"] == 0
    assert without.status_code == 401


def reached(url: str) -> dict[str, float] | None:
    try:
        return scrape(url)
    except httpx2.TransportError:
        return None
