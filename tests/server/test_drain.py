"""A worker that must stop still serves until balancers use another instance."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from testbed.service import WORKER_CLASSES, Service, make_environment, start_service
from tests.server.edge import connect, head, read_answer
from tests.server.test_gunicorn_conf import SECRET, events, wait_until, workers

ASK_READY = head("GET", "/api/v1/health/ready", host="Host: 127.0.0.1")


def ask_ready(connection: socket.socket) -> tuple[int, str, str]:
    connection.sendall(ASK_READY)
    answer = read_answer(connection)
    status = httpx2.Response(200, content=answer.body).json()["status"]
    return answer.status, status, answer.headers.get("connection", "")


class TestWithALongDelay:
    @pytest.fixture
    def service(
        self, worker_class: str, tmp_path: Path, sqlite_database_url: str
    ) -> Iterator[Service]:
        environment = make_environment(
            tmp_path,
            SECRET_KEY=SECRET,
            DATABASE_URL=sqlite_database_url,
            DRAIN_DELAY_SECONDS="3600",
            GRACEFUL_TIMEOUT_SECONDS="7200",
        )
        arguments = ("--worker-class", worker_class)
        with start_service(tmp_path, *arguments, environment=environment) as service:
            yield service

    @pytest.mark.parametrize(
        ("worker_class", "second"),
        [*zip(WORKER_CLASSES, ("SIGTERM", "SIGTERM", "SIGINT"), strict=True)],
    )
    def test_tells_balancers_only_that_an_instance_stops(
        self, service: Service, second: str
    ) -> None:
        """A worker that another one replaces says that the instance is ready.

        Mutants: gunicorn sends SIGTERM also to a worker that it replaces; gunicorn does
        not pass on the second SIGTERM; a worker counts a SIGTERM from systemd and one
        from gunicorn as two; a worker of uvicorn ignores gunicorn's SIGQUIT.
        """
        [old] = workers(service)
        with connect(service) as kept:
            assert ask_ready(kept)[:2] == (200, "ready")
            service.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "server.draining" in events(service))
            assert ask_ready(kept) == (200, "ready", "close")
        os.kill(old, signal.SIGHUP)  # gunicorn waits for its end
        wait_until(lambda: not Path(f"/proc/{old}").exists())

        with connect(service) as kept:
            assert ask_ready(kept)[:2] == (200, "ready")
            os.kill(workers(service)[-1], signal.SIGTERM)
            service.process.terminate()
            wait_until(lambda: events(service).count("server.draining") == 2)
            wait_until(lambda: "Handling signal: term" in events(service))
            assert ask_ready(kept) == (503, "draining", "close")

        service.process.send_signal(signal.Signals[second])
        assert service.process.wait(60) == 0
        assert "was sent SIGKILL!" not in str(events(service))
