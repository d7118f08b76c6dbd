"""Logging in, and reading the caller's account."""

import json
from collections.abc import Iterator
from itertools import repeat

from bench.load import ask
from bench.operations import Goal, Operation, Target

EMAIL = "bench@example.com"
# A flood of logins ends older sessions of its account, so the flood has an account of
# its own.
FLOODED = "flooded@example.com"
PASSWORD = "correct horse battery staple"


def me(target: Target) -> Iterator[bytes]:
    return repeat(target.request("GET", "/users/me", headers=target.bearer))


def login(target: Target, email: str = FLOODED) -> Iterator[bytes]:
    credentials = {"email": email, "password": PASSWORD}
    return repeat(target.request("POST", "/auth/login", credentials))


def log_in(port: int) -> str:
    """Return an access token that the application on this port has signed."""
    target = Target(port)
    answer = ask(target, next(login(target, EMAIL)))
    assert answer.status == 200, answer
    return read_token(answer.body)


def read_token(body: bytes) -> str:
    return str(json.loads(body)["access_token"])


OPERATIONS = {
    "me": Operation("GET /users/me", me, Goal(0.55, 0.70), compared=bytes),
}
