"""Thousands of valid and invalid requests, generated from the OpenAPI document.

`SCHEMATHESIS_SECONDS` sets the duration, `SCHEMATHESIS_SEED` the seed.
`schemathesis.toml` lists the rules that the document cannot express.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from testbed.accounts import create_account, log_in
from testbed.service import ROOT, Service, make_environment, start_service

SECONDS = os.environ.get("SCHEMATHESIS_SECONDS", "30")
SEED = os.environ.get("SCHEMATHESIS_SEED", "1")
ADMIN = "admin@example.org"
# These can end the session of the caller, so a separate run calls them last.
ENDING = (
    "PATCH /api/v1/users/{user_id}",
    "DELETE /api/v1/users/{user_id}",
    "POST /api/v1/auth/logout",
    "POST /api/v1/auth/logout-all",
    "POST /api/v1/auth/password/change",
    "DELETE /api/v1/auth/sessions/{session_id}",
    "DELETE /api/v1/users/{user_id}/mfa",
    "DELETE /api/v1/users/{user_id}/sessions",
)


@pytest.fixture
def service(
    tmp_path: Path, postgres_database_url: str, redis_url: str
) -> Iterator[Service]:
    environment = make_environment(
        tmp_path,
        DATABASE_URL=postgres_database_url,
        REDIS_URL=redis_url,
        SECRET_KEY="a-long-enough-key-that-is-only-for-tests-0123456789",
        RATE_LIMIT_ENABLED="false",
        ACCESS_TOKEN_EXPIRE_MINUTES="60",
    )
    create_account(ADMIN, environment=environment, role="admin")
    with start_service(tmp_path, environment=environment) as service:
        yield service


def explore(service: Service, token: dict[str, str], *options: str) -> str:
    """Run every check in every phase, and return the report if it found a bug."""
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", ROOT / "schemathesis.toml"),
            *("run", f"{service.url}/openapi.json", "--no-color"),
            *("--checks", "all", "--mode", "all", "--seed", SEED),
            *("--request-timeout", "100"),
            *("--header", f"Authorization: {token['Authorization']}"),
            *options,
        ],
        cwd=service.environment["HOME"],
        env=service.environment,
        text=True,
        capture_output=True,
        check=False,
    )
    return "" if ran.returncode == 0 else ran.stdout + ran.stderr


def test_finds_nothing_wrong(service: Service) -> None:
    token = log_in(service, ADMIN)

    others = [part for name in ENDING for part in ("--exclude-name", name)]
    found = explore(service, token, "--max-time", SECONDS, *others)
    still = httpx2.get(f"{service.url}/api/v1/users", headers=token, timeout=60)
    ending = [part for name in ENDING for part in ("--include-name", name)]
    found += explore(service, token, "--max-time", "5", *ending)

    assert not found, found
    assert still.status_code == 200, "the administrator lost the right to read users"
    assert "http.unhandled_error" not in service.log_file.read_text()
