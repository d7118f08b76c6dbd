from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from testbed.service import (
    WORKER_CLASSES,
    command,
    make_environment,
    start_service,
)
from tests.server.edge import JSON, LIVE, LOGIN, PROXY, Edge, connect, head


@pytest.fixture(scope="module", params=WORKER_CLASSES)
def edge(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Edge]:
    home = tmp_path_factory.mktemp("edge")
    environment = make_environment(
        home,
        SECRET_KEY="a-long-enough-key-that-is-only-for-tests-0123456789",
        ALLOWED_HOSTS="api.example.com,127.0.0.1",
        TRUSTED_PROXIES=PROXY,
        CORS_ALLOWED_ORIGINS="https://app.example.com",
    )
    upgraded = command("db", "upgrade", environment=environment)
    assert upgraded.returncode == 0, upgraded.stderr
    arguments = ("--worker-class", request.param)
    with (
        start_service(
            home, *arguments, environment=environment, app="tests.notes.served:app"
        ) as service,
        ExitStack() as sockets,
    ):
        slow = [sockets.enter_context(connect(service)) for _ in range(4)]
        edge = Edge(service, *slow)
        edge.slow_head.sendall(head("GET", LIVE)[:-2])
        edge.slow_body.sendall(head("POST", LOGIN, JSON, "Content-Length: 100") + b"{")
        edge.refused.sendall(head("POST", LOGIN, JSON, "Content-Length: 5000000"))
        yield edge
