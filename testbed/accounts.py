"""Accounts that tests and drills make, all with one password."""

from collections.abc import Mapping
from functools import cache

import httpx2
from pwdlib.hashers.argon2 import Argon2Hasher

from testbed.service import Service, command

PASSWORD = "a quiet orange typewriter"


@cache
def password_hash() -> str:
    """Return a cheap hash of `PASSWORD` that a login does not replace."""
    hasher = Argon2Hasher(memory_cost=19456, time_cost=2, parallelism=1)
    return hasher.hash(PASSWORD)


def create_account(
    email: str, *, environment: Mapping[str, str], role: str = "user"
) -> None:
    """Create an account with the command `users create`."""
    arguments = ("users", "create", "--email", email, "--role", role)
    created = command(
        *arguments, "--password-stdin", environment=environment, stdin=PASSWORD
    )
    assert created.returncode == 0, created.stderr


def register(service: Service, email: str) -> None:
    """Create an account over HTTP; REGISTRATION must be `open`."""
    body = {"email": email, "password": PASSWORD}
    answer = httpx2.post(f"{service.url}/api/v1/auth/register", json=body, timeout=60)
    assert answer.status_code == 201, answer.text


def log_in(service: Service, email: str) -> dict[str, str]:
    """Return the header that authenticates the account."""
    answer = httpx2.post(
        f"{service.url}/api/v1/auth/login",
        json={"email": email, "password": PASSWORD},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}
