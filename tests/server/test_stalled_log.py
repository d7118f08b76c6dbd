"""The service while nothing reads its log."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from fcntl import F_SETPIPE_SZ, fcntl
from pathlib import Path
from typing import BinaryIO, NamedTuple

import httpx2
import pytest

from testbed.service import Service
from tests.support.servers import SERVERS, serve

REQUESTS = 100  # the pipe holds the lines of about 14


class Stalled(NamedTuple):
    service: Service
    log: BinaryIO


@pytest.fixture(params=SERVERS)
def stalled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stalled]:
    """A service whose log goes to a small pipe that no one reads."""
    read_end, write_end = os.pipe()
    with ExitStack() as stack:
        log = stack.enter_context(open(read_end, "rb"))
        with open(write_end, "wb") as output:
            fcntl(output, F_SETPIPE_SZ, 4096)
            service = stack.enter_context(
                serve(request.param, tmp_path, request, output.fileno())
            )
        yield Stalled(service, log)


def test_every_request_is_answered_and_logged_later(stalled: Stalled) -> None:
    """Mutant: write lines in the thread that answers requests."""
    service, log = stalled
    with httpx2.Client(base_url=service.url, timeout=10) as client:
        answers = [client.get("/nowhere").status_code for _ in range(REQUESTS)]
        live = client.get("/api/v1/health/live").status_code

    with ThreadPoolExecutor(1) as threads:
        lines = threads.submit(log.readlines)
        stopped = service.stop()
    events = [json.loads(line)["event"] for line in lines.result()]

    assert (answers, live, stopped) == ([404] * REQUESTS, 200, 0)
    assert events.count("http.request") == REQUESTS


def test_the_service_stops(stalled: Stalled) -> None:
    """Mutant: wait at exit until the log was read."""
    with httpx2.Client(base_url=stalled.service.url, timeout=10) as client:
        for _ in range(REQUESTS):
            client.get("/nowhere")

    assert stalled.service.stop() == 0
