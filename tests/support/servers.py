"""The service in separate processes, under each server that it supports."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed.service import (
    WORKER_CLASSES,
    Service,
    command,
    make_environment,
    start_service,
)

SECRET = "a-long-enough-key-that-is-only-for-tests-0123456789"
# SQLite without Redis, and PostgreSQL with Valkey under each worker class.
SERVERS = ("sqlite", *WORKER_CLASSES)
# A usual command line of gunicorn.
GUIDE = "--workers 2 --timeout 120 --keep-alive 5 --access-logfile - --error-logfile -"


@contextmanager
def serve(
    server: str,
    home: Path,
    request: pytest.FixtureRequest,
    output: int | None = None,
) -> Iterator[Service]:
    """Run the service on a migrated database until the block ends."""
    settings, arguments = {"SECRET_KEY": SECRET}, []
    if server != "sqlite":
        settings["DATABASE_URL"] = request.getfixturevalue("postgres_database_url")
        settings["REDIS_URL"] = request.getfixturevalue("redis_url")
        arguments = [*GUIDE.split(), "--worker-class", server]
    environment = make_environment(home, **settings)
    upgraded = command("db", "upgrade", environment=environment)
    assert upgraded.returncode == 0, upgraded.stderr
    with start_service(
        home, *arguments, environment=environment, output=output
    ) as service:
        yield service
