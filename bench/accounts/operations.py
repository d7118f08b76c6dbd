"""Logging in, and reading the caller's account."""

import json
from collections.abc import Iterator
from itertools import repeat

from bench.load import ask
from bench.operations import Operation, Target

EMAIL = "bench@example.com"
PASSWORD = "correct horse battery staple"


def me(target: Target) -> Iterator[bytes]:
    return repeat(target.request("GET", "/users/me", headers=target.bearer))


def login(target: Target) -> Iterator[bytes]:
    credentials = {"email": EMAIL, "password": PASSWORD}
    return repeat(target.request("POST", "/auth/login", credentials))


def log_in(port: int) -> str:
    """Return an access token that the program on this port has signed."""
    target = Target(port)
    answer = ask(target, next(login(target)))
    assert answer.status == 200, answer
    return str(json.loads(answer.body)["access_token"])


OPERATIONS = {
    "me": Operation(me, compared=bytes),
    "login": Operation(login),
}
