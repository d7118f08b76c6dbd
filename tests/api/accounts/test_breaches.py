"""New passwords are checked by a service that knows passwords of data breaches."""

import asyncio
from collections.abc import AsyncGenerator
from hashlib import sha1
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import Response
from prometheus_client import generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.responses import Response as Answer
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from app.core.metrics import registry
from testbed.accounts import PASSWORD
from testbed.mailbox import newest_token
from testbed.serving import serving
from tests.support.people import Client, People

BREACHED = "eleven tin whistles in june"
GOOD = "nine brass kettles in march"
SERIES = 'password_breach_checks_total{outcome="unavailable"}'


def split_hash(password: str) -> tuple[str, str]:
    digest = sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
    return digest[:5], digest[5:]


class Ranges:
    """Stands in for the service of haveibeenpwned.com. It can fail.

    It lists one breached password, and a good one as padding.
    """

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.arrived = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.failure: Answer | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        self.asked.append(request)
        self.arrived.set()
        await self.may_answer.wait()
        prefix = request.url.path.removeprefix("/range/")
        rest = split_hash(BREACHED)[1]
        padding = split_hash(GOOD)[1]
        known = [f"{'0' * 35}:7", f"{rest}:24", f"{padding}:0"]
        assert prefix in {split_hash(BREACHED)[0], split_hash(GOOD)[0]}
        await (self.failure or PlainTextResponse("\r\n".join(known)))(
            scope, receive, send
        )


@pytest.fixture
async def ranges() -> Ranges:
    return Ranges()


@pytest.fixture
async def ranges_url(ranges: Ranges) -> AsyncGenerator[str]:
    async with serving(ranges) as port:
        yield f"http://127.0.0.1:{port}/range"
        ranges.may_answer.set()


@pytest.fixture
def overrides(ranges_url: str) -> dict[str, Any]:
    return {
        "breached_passwords_url": ranges_url,
        "db_pool_size": 1,
        "db_max_overflow": 0,
    }


async def register(client: Client, password: str, name: str = "new") -> Response:
    body = {"email": f"{name}@example.org", "password": password}
    return await client.post("/auth/register", json=body)


def is_refused(answer: Response, pointer: str = "#/password") -> bool:
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert problem["code"] == "password_weak"
    [fault] = problem["errors"]
    return (fault["pointer"], fault["code"]) == (pointer, "password_breached")


class TestBreachedPassword:
    async def test_is_refused_wherever_a_user_chooses_one(
        self, app: FastAPI, client: Client, user: Client, admin: Client
    ) -> None:
        """Mutant: check only the passwords of registrations."""
        assert is_refused(await register(client, BREACHED))
        body = {"current_password": PASSWORD, "new_password": BREACHED}
        changed = await user.post("/auth/password/change", json=body)
        assert is_refused(changed, "#/new_password")
        await client.post("/auth/password/forgot", json={"email": user.email})
        token = await newest_token(app, "reset_password")
        body = {"token": token, "password": BREACHED}
        assert is_refused(await client.post("/auth/password/reset", json=body))
        body = {"email": "other@example.org", "password": BREACHED}
        assert is_refused(await admin.post("/users", json=body))

    async def test_does_not_include_the_padding_of_the_answer(
        self, client: Client, ranges: Ranges
    ) -> None:
        """Mutant: ignore the count, which is 0 for padding."""
        assert (await register(client, GOOD)).status_code == 201

        [asked] = ranges.asked
        assert asked.headers["add-padding"] == "true"
        assert asked.url.path == f"/range/{split_hash(GOOD)[0]}"
        assert "cookie" not in asked.headers

    async def test_of_a_login_is_not_looked_up(
        self, user: Client, ranges: Ranges
    ) -> None:
        body = {"email": user.email, "password": PASSWORD}
        assert (await user.post("/auth/login", json=body)).status_code == 200
        assert (await register(user, "short")).status_code == 422
        assert ranges.asked == []


class TestRangeService:
    async def test_is_asked_without_a_database_connection(
        self, client: Client, user: Client, people: People, ranges: Ranges
    ) -> None:
        """Mutant: begin the transaction before the check.

        The pool has only one connection, so the other requests would wait.
        """
        reader = await people.sign_in()
        body = {"current_password": PASSWORD, "new_password": BREACHED}
        for wait in (
            register(client, BREACHED),
            user.post("/auth/password/change", json=body),
        ):
            ranges.may_answer.clear()
            ranges.arrived.clear()
            waiting = asyncio.create_task(wait)
            await ranges.arrived.wait()

            assert (await reader.get("/users/me")).status_code == 200
            changed = await reader.patch(
                "/users/me", json={"full_name": "Ada"}, headers={"If-Match": "*"}
            )
            assert changed.status_code == 200, changed.text

            ranges.may_answer.set()
            assert (await waiting).status_code == 422

    async def test_that_fails_does_not_stop_a_registration(
        self, client: Client, ranges: Ranges, ranges_url: str
    ) -> None:
        """Mutants: follow redirects; read answers of any size; trust every 200."""
        followed = f"{ranges_url}/{split_hash(BREACHED)[0]}"
        failures: list[Answer] = [
            PlainTextResponse("busy", 503),
            PlainTextResponse("<html>Sign in to the network</html>"),
            PlainTextResponse(b"\xff:1"),
            PlainTextResponse(f"{'0' * 35}:1\n" * 15_000),
            RedirectResponse(followed),
        ]
        for number, ranges.failure in enumerate(failures):
            before = unavailable()
            with capture_logs() as logs:
                answer = await register(client, BREACHED, f"new{number}")
            assert answer.status_code == 201, number
            [line] = [e for e in logs if e["event"] == "password.breaches_unavailable"]
            assert split_hash(BREACHED)[0] not in str(line)
            assert unavailable() == before + 1
        assert len(ranges.asked) == len(failures)

    @pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
    class TestThatHangs:
        @pytest.fixture
        def patience(self) -> None:
            """Use the timeouts of production, which are shorter than in other tests."""

        async def test_does_not_stop_a_registration(
            self, client: Client, ranges: Ranges
        ) -> None:
            """Mutant: wait for the answer without a timeout."""
            ranges.may_answer.clear()
            assert (await register(client, BREACHED)).status_code == 201


class TestWithoutRangeService:
    @pytest.fixture
    def overrides(self, ranges_url: str) -> dict[str, Any]:
        return {}

    async def test_no_password_leaves_the_service(
        self, client: Client, ranges: Ranges
    ) -> None:
        assert (await register(client, BREACHED)).status_code == 201
        assert ranges.asked == []


def unavailable() -> float:
    [line] = [
        line
        for line in generate_latest(registry).decode().splitlines()
        if line.startswith(SERIES)
    ]
    return float(line.split()[-1])
