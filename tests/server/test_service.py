"""The service in separate processes, started with a usual gunicorn command."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from app.identity import TITLE, VERSION
from testbed.service import Service, make_environment, start_service
from testbed.valkey import start_valkey
from tests.support.servers import SECRET, SERVERS, serve


@pytest.fixture(params=SERVERS)
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    with serve(request.param, tmp_path, request) as service:
        yield service


def test_answers_and_logs_the_same_under_every_server(service: Service) -> None:
    headers = {
        "X-Request-ID": "from-the-client-1",
        "X-Forwarded-For": "203.0.113.9",
        "Accept-Encoding": "identity",
    }
    url = f"{service.url}/nowhere?token=s3cret"
    answer = httpx2.get(url, headers=headers, timeout=60)
    assert service.stop() == 0

    assert answer.status_code == 404
    assert answer.headers["x-request-id"] == "from-the-client-1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in answer.headers
    assert answer.json()["code"] == "not_found"
    log = service.log()
    [line] = [entry for entry in log if entry["event"] == "http.request"]
    assert line["duration_ms"] > 0
    assert line["process_pid"] != service.process.pid  # of a worker
    fixed = {"duration_ms": 0, "timestamp": "", "process_pid": 0}
    assert {**line, **fixed} == {
        "event": "http.request",
        "level": "info",
        "logger": "app.api.middleware.request_context",
        "timestamp": "",
        "method": "GET",
        "path": "/nowhere",
        "route": "__unmatched__",
        "status_code": 404,
        "duration_ms": 0,
        "client_ip": "127.0.0.1",
        "request_id": "from-the-client-1",
        "error_type": "not_found",
        "http_request_body_size": 0,
        "http_response_body_size": len(answer.content),
        "db_queries": 0,
        "db_ms": 0.0,
        "service_name": TITLE,
        "service_version": VERSION,
        "service_instance_id": socket.gethostname(),
        "deployment_environment_name": "development",
        "process_pid": 0,
    }
    assert "s3cret" not in service.log_file.read_text()
    assert any(entry["event"].startswith("Starting gunicorn") for entry in log)


def test_stops_while_workers_are_still_starting(tmp_path: Path) -> None:
    """Mutant: lose a signal that arrives before uvloop handles signals."""
    environment = make_environment(tmp_path, SECRET_KEY=SECRET)
    environment["GRACEFUL_TIMEOUT_SECONDS"] = "3600"

    with start_service(tmp_path, "--workers", "4", environment=environment) as service:
        assert service.stop() == 0


def test_workers_share_a_limit_while_redis_is_away(tmp_path: Path) -> None:
    """Mutant: let a worker ignore the number of workers on the command line."""
    with start_valkey(tmp_path) as valkey:
        environment = make_environment(
            tmp_path,
            SECRET_KEY=SECRET,
            REDIS_URL=valkey.url,
            RATE_LIMIT_REQUESTS="10",
            RATE_LIMIT_WINDOW_SECONDS="3600",
        )
        with start_service(
            tmp_path, "--workers", "2", environment=environment
        ) as service:
            valkey.stop()
            # The kernel decides which worker answers.
            asked, degraded, passed = 0, 0, 0
            while degraded < 2 and asked < 5000:
                for _ in range(50):
                    passed += is_let_through(service)
                asked += 50
                events = [entry["event"] for entry in service.log()]
                degraded = events.count("rate_limit.degraded")

    assert degraded == 2, f"{degraded} of 2 workers answered {asked} requests"
    assert 5 < passed <= 10


def is_let_through(service: Service) -> bool:
    body = {"refresh_token": "x"}
    answer = httpx2.post(f"{service.url}/api/v1/auth/refresh", json=body)
    assert answer.status_code in {401, 429}
    return answer.status_code == 401
