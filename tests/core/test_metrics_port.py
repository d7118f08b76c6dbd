"""The port that serves the metrics."""

import asyncio
from typing import Any

import pytest

from app.core.metrics_port import serving_metrics
from app.core.settings.observation import ObservationSettings
from testbed.processes import free_port


async def scrape() -> bytes:
    return b"up 1\n"


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (b"GET /metrics HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
        (b"GET /metrics HTTP/1.1\r\nCookie: " + b"x" * 100_000, b""),
    ],
    ids=["a scrape", "an endless head"],
)
async def test_a_long_head_only_ends_its_connection(head: bytes, answer: bytes) -> None:
    """Mutant: do not catch `LimitOverrunError`, so that the log has a traceback."""
    settings, failures = ObservationSettings(metrics_port=free_port()), list[Any]()
    asyncio.get_running_loop().set_exception_handler(
        lambda _, failure: failures.append(failure)
    )

    async with serving_metrics(settings, scrape):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", settings.metrics_port
        )
        writer.write(head)
        try:
            given = await reader.read()
        except ConnectionResetError:  # the server has not read the rest of the head
            given = b""
        writer.close()

    assert given.startswith(answer)
    assert failures == []
