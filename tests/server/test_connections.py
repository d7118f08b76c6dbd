"""Which connections a worker keeps open, under each worker class."""

import asyncio
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app.server.connections import ImpatientWriter
from app.server.gunicorn_connection import GunicornConnection
from app.server.uvicorn_connection import UvicornConnection
from testbed.processes import free_port
from testbed.service import WORKER_CLASSES, Service, make_environment, start_service
from tests.server.edge import connect, head, read_answer
from tests.server.test_gunicorn_conf import SECRET, events, workers

HOST = "Host: 127.0.0.1"
LIVE = head("GET", "/api/v1/health/live", host=HOST)
LOGIN = head(
    "POST",
    "/api/v1/auth/login",
    "Content-Type: application/json",
    "Content-Length: 2",
    "Expect: 100-continue",
    host=HOST,
)
TOO_LARGE = head("POST", "/api/v1/auth/login", "Content-Length: 5000000", host=HOST)
MOST_OPEN = 4
SIZE = 20_000_000  # more than the buffers of a socket hold


@pytest.fixture(scope="module", params=WORKER_CLASSES)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("connections")
    environment = make_environment(
        home, SECRET_KEY=SECRET, MAX_CONNECTIONS=str(MOST_OPEN)
    )
    options = ("--worker-class", request.param, "--keep-alive", "2")
    with start_service(home, *options, environment=environment) as service:
        yield service


def ask(client: socket.socket) -> int:
    client.sendall(LIVE)
    return read_answer(client).status


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_a_part_of_the_next_request_does_not_keep_a_connection(
    service: Service,
) -> None:
    """Mutant: stop the timer at the first byte, as uvicorn does."""
    with connect(service) as client:
        assert ask(client) == 200
        client.sendall(LIVE[:-2])

        assert client.recv(1) == b""


class TestTooManyConnections:
    def test_close_the_one_that_waits_longest(self, service: Service) -> None:
        with ExitStack() as clients:
            first, *others = [
                clients.enter_context(connect(service)) for _ in range(MOST_OPEN)
            ]
            assert ask(first) == 200  # from now on the second waits longest
            last = clients.enter_context(connect(service))

            assert ask(last) == 200
            assert others[0].recv(1) == b""
            assert [ask(client) for client in (first, *others[1:])] == [200] * 3

    def test_close_the_new_one_when_all_others_have_a_request(
        self, service: Service
    ) -> None:
        with ExitStack() as clients:
            busy = [clients.enter_context(connect(service)) for _ in range(MOST_OPEN)]
            for client in busy:
                client.sendall(LOGIN)
                assert client.recv(65_536).startswith(b"HTTP/1.1 100 ")

            with connect(service) as refused:
                assert refused.recv(1) == b""
            for client in busy:
                client.sendall(b"{}")
                assert read_answer(client).status == 422

    def test_count_those_that_linger_after_a_refusal(self, service: Service) -> None:
        """Mutant: count only the connections that gunicorn or uvicorn serves."""
        [worker] = workers(service)

        with ExitStack() as clients:
            client = clients.enter_context(connect(service))
            assert ask(client) == 200
            files = open_files(worker) - 1
            for _ in range(3 * MOST_OPEN):
                refused = clients.enter_context(connect(service))
                refused.sendall(TOO_LARGE)
                assert read_answer(refused).status == 413

            assert ask(clients.enter_context(connect(service))) == 200
            assert open_files(worker) <= files + MOST_OPEN

    def test_leave_files_to_the_rest_of_the_service(self, service: Service) -> None:
        """Mutant: let connections use all files, so that the worker accepts no more."""
        [worker] = workers(service)
        allowed = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        few = (open_files(worker) + MOST_OPEN + 20, allowed[1])
        resource.prlimit(worker, resource.RLIMIT_NOFILE, few)
        try:
            with ExitStack() as clients:
                for _ in range(100):
                    clients.enter_context(connect(service)).sendall(LIVE[:20])

                assert ask(clients.enter_context(connect(service))) == 200
        finally:
            resource.prlimit(worker, resource.RLIMIT_NOFILE, allowed)


class TestUnreadAnswers:
    async def test_cut_a_client_only_if_it_does_not_read(self) -> None:
        """Mutants: never cut a client; cut every client."""
        served: list[ImpatientWriter] = []
        cut = asyncio.Event()

        class Server(asyncio.Protocol):
            def connection_made(self, transport: Any) -> None:
                self.transport = transport
                served.append(self)  # type: ignore[arg-type]
                transport.write(b" " * SIZE)

            def connection_lost(self, exc: Exception | None) -> None:
                cut.set()

        class Connection(ImpatientWriter, Server):
            pass

        loop = asyncio.get_running_loop()
        listener = await loop.create_server(Connection, "127.0.0.1", 0)
        async with listener, asyncio.timeout(60):
            address = listener.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(*address)
            await reader.readexactly(SIZE)
            assert served[0]._cut is not None
            assert served[0]._cut.cancelled()
            writer.close()
            await cut.wait()

            cut.clear()
            Connection.patience = 0
            with socket.create_connection(address):
                await cut.wait()

    @pytest.mark.parametrize("server", [GunicornConnection, UvicornConnection])
    def test_are_bounded_in_both_servers(self, server: type) -> None:
        assert issubclass(server, ImpatientWriter)


class TestFileLimit:
    def test_that_is_too_low_prevents_the_start(self, tmp_path: Path) -> None:
        environment = make_environment(tmp_path, SECRET_KEY=SECRET)

        serve = ("-m", "app", "serve", "--port", str(free_port()))
        ended = with_files("300", *serve, environment=environment)

        assert ended.returncode == 1
        assert "MAX_CONNECTIONS must not exceed 200, because" in ended.stderr
        assert "Traceback" not in ended.stderr

    def test_is_raised_as_far_as_connections_need_it(self, tmp_path: Path) -> None:
        program = (
            "from resource import RLIMIT_NOFILE, getrlimit;"
            "from app.server.connections import reserve_files;"
            "reserve_files(150); print(*getrlimit(RLIMIT_NOFILE))"
        )
        environment = make_environment(tmp_path)

        raised = with_files(
            "300; ulimit -Sn 99", "-c", program, environment=environment
        )

        assert raised.stdout.split() == ["250", "300"]


def with_files(
    limit: str, *arguments: str, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run Python with a limit for open files."""
    line = f'ulimit -n {limit}; exec "$0" "$@"'
    return subprocess.run(
        ["/bin/sh", "-c", line, sys.executable, *arguments],
        cwd=environment["HOME"],
        env=environment,
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )


class TestStopping:
    @pytest.mark.parametrize("worker_class", WORKER_CLASSES)
    def test_closes_idle_connections_and_answers_running_requests(
        self, tmp_path: Path, worker_class: str
    ) -> None:
        """Mutant: wait for idle connections until gunicorn kills the worker."""
        environment = make_environment(tmp_path, SECRET_KEY=SECRET)
        options = ("--worker-class", worker_class, "--graceful-timeout", "20")
        with (
            start_service(tmp_path, *options, environment=environment) as service,
            connect(service) as silent,
            connect(service) as kept,
            connect(service) as busy,
        ):
            assert ask(kept) == 200
            busy.sendall(LOGIN)
            assert busy.recv(65_536).startswith(b"HTTP/1.1 100 ")

            service.process.terminate()

            assert kept.recv(1) == b""
            assert silent.recv(1) == b""
            busy.sendall(b"{}")
            answer = read_answer(busy)
            assert answer.status == 422
            assert answer.headers["connection"] == "close"
            assert service.process.wait(60) == 0

    @pytest.mark.parametrize("worker_class", WORKER_CLASSES)
    def test_cuts_a_request_that_does_not_end_to_shut_the_application_down(
        self, tmp_path: Path, worker_class: str
    ) -> None:
        """Mutants: wait until gunicorn kills the worker; close without an answer."""
        environment = make_environment(tmp_path, SECRET_KEY=SECRET)
        options = ("--worker-class", worker_class, "--graceful-timeout", "4")
        with (
            start_service(tmp_path, *options, environment=environment) as service,
            connect(service) as busy,
        ):
            busy.sendall(LOGIN)
            assert busy.recv(65_536).startswith(b"HTTP/1.1 100 ")

            assert service.stop() == 0
            answer = read_answer(busy)
            assert (answer.status, answer.problem["code"]) == (503, "overloaded")

        # The last event after the shutdown: in gunicorn's worker, in uvicorn's workers.
        last = ("Worker exiting", "Application shutdown complete.")
        assert any(event.startswith(last) for event in events(service))
