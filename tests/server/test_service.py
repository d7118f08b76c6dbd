"""The service in processes of its own, used as the README says."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import orjson
import pytest

from testbed.service import (
    ROOT,
    WORKER_CLASSES,
    Service,
    command,
    make_environment,
    start_service,
)
from testbed.valkey import start_valkey

# The guide's command line, but for the flag that gunicorn spells --keep-alive.
GUIDE = "--workers 2 --timeout 120 --keep-alive 5 --access-logfile - --error-logfile -"
SECRET = "a-long-enough-key-that-is-only-for-tests-0123456789"


@pytest.fixture(params=["sqlite", *WORKER_CLASSES])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """SQLite without Redis, and PostgreSQL with Valkey under each worker class."""
    settings = {"SECRET_KEY": SECRET}
    if request.param == "sqlite":
        arguments = []
    else:
        settings["DATABASE_URL"] = request.getfixturevalue("postgres_database_url")
        settings["REDIS_URL"] = request.getfixturevalue("redis_url")
        arguments = [*GUIDE.split(), "--worker-class", request.param]
    environment = make_environment(tmp_path, **settings)
    upgraded = command("db", "upgrade", environment=environment)
    assert upgraded.returncode == 0, upgraded.stderr
    demo = command("demo", "--products", "200", environment=environment)
    assert demo.returncode == 0, demo.stderr
    with start_service(tmp_path, *arguments, environment=environment) as service:
        yield service


def test_the_tour_of_the_readme(service: Service, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    tour = readme.partition("<!-- tour -->\n```sh\n")[2].partition("```")[0]
    tour = tour.replace("http://127.0.0.1:8000", service.url)
    (tmp_path / ".venv").symlink_to(sys.prefix)

    ran = subprocess.run(
        ["bash", "-u"],
        input=tour,
        text=True,
        capture_output=True,
        cwd=tmp_path,
        env=service.environment,
        check=False,
    )

    assert (ran.returncode, ran.stderr) == (0, "")
    page, _, me, cheaper, stale, sold, short, _, gone = ran.stdout.splitlines()
    assert [p["category"] for p in orjson.loads(page)["items"]] == ["kitchen"] * 2
    assert orjson.loads(me)["role"] == "editor"
    assert orjson.loads(cheaper)["price"] == "11.00"
    assert orjson.loads(stale)["code"] == "precondition_failed"
    assert orjson.loads(sold)["stock"] == 1
    assert orjson.loads(short)["code"] == "insufficient_stock"
    assert orjson.loads(gone)["code"] == "invalid_token"


def test_answers_and_logs_alike_under_every_server(service: Service) -> None:
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
    assert {**line, "duration_ms": 0, "timestamp": ""} == {
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
    }
    assert "s3cret" not in service.log_file.read_text()
    assert any(entry["event"].startswith("Starting gunicorn") for entry in log)


def test_stops_while_workers_are_still_starting(tmp_path: Path) -> None:
    """Mutant: what comes before uvloop hears signals is lost, up to this timeout."""
    environment = make_environment(tmp_path, SECRET_KEY=SECRET)
    environment["GRACEFUL_TIMEOUT_SECONDS"] = "3600"

    with start_service(tmp_path, "--workers", "4", environment=environment) as service:
        assert service.stop() == 0


def test_workers_share_a_limit_while_redis_is_away(tmp_path: Path) -> None:
    """Mutant: a worker that does not know of the other, of which only a flag tells."""
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
            # Which of them answers is chance.
            asked, degraded, passed = 0, 0, 0
            while degraded < 2 and asked < 5000:
                for _ in range(50):
                    passed += is_let_through(service)
                asked += 50
                events = [entry["event"] for entry in service.log()]
                degraded = events.count("rate_limit.degraded")

    assert degraded == 2, f"of {asked} requests a worker had none"
    assert 5 < passed <= 10


def is_let_through(service: Service) -> bool:
    body = {"refresh_token": "x"}
    answer = httpx2.post(f"{service.url}/api/v1/auth/refresh", json=body)
    assert answer.status_code in {401, 429}
    return answer.status_code == 401
