"""Logging in at two instances that share their limits."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from testbed.accounts import PASSWORD, create_account
from testbed.service import (
    WORKER_CLASSES,
    Service,
    command,
    make_environment,
    start_service,
)
from tests.support.servers import SECRET

EMAIL = "ada@example.org"


def log_in(service: Service) -> httpx2.Response:
    return httpx2.post(
        f"{service.url}/api/v1/auth/login",
        json={"email": EMAIL, "password": PASSWORD},
        timeout=60,
    )


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_right_passwords_in_flight_at_one_instance_do_not_lock_out_the_other(
    worker_class: str, tmp_path: Path, postgres_database_url: str, redis_url: str
) -> None:
    """Mutant: count an attempt as wrong while the other instance can give it back."""
    environment = make_environment(
        tmp_path,
        SECRET_KEY=SECRET,
        DATABASE_URL=postgres_database_url,
        REDIS_URL=redis_url,
        LOGIN_FAILURES_PER_ACCOUNT="1",
    )
    assert command("db", "upgrade", environment=environment).returncode == 0
    create_account(EMAIL, environment=environment)
    arguments = "--worker-class", worker_class
    with ExitStack() as stack:
        instances = [
            stack.enter_context(
                start_service(tmp_path, *arguments, environment=environment)
            )
            for _ in range(2)
        ]
        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(log_in, instances * 8))

        assert {answer.status_code for answer in answers} <= {200, 503}
        for answer in answers:
            assert answer.headers.get("Retry-After", "1") == "1"
        assert [log_in(each).status_code for each in instances] == [200, 200]
