"""The limits on writes and on all requests: their counters and their headers."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from httpx2 import Response
from redis.asyncio import Redis

from app.core.config import Settings
from tests.support.people import Client, People

QUOTA = "https://iana.org/assignments/http-problem-types#quota-exceeded"
WRITES = {"rate_limit_writes": "2/60"}
ALL = {"rate_limit_all": "3/60"}
BOTH = {"rate_limit_writes": "5/60", "rate_limit_all": "2000/60"}


async def rename(client: Client) -> Response:
    return await client.patch("/users/me", json={"full_name": "A"})


@pytest.mark.parametrize("overrides", [WRITES])
class TestWriteLimit:
    async def test_counts_each_account_separately(self, people: People) -> None:
        """Mutant: count by address, so that an account uses up the quota of another."""
        ann, bob = await people.sign_in(), await people.sign_in()

        answers = [(await rename(ann)).status_code for _ in range(3)]

        assert answers == [200, 200, 429]
        assert (await rename(bob)).status_code == 200
        assert (await ann.get("/users/me")).status_code == 200

    async def test_counts_by_address_without_a_token(self, client: Client) -> None:
        answers = [(await rename(client)).status_code for _ in range(3)]

        assert answers == [401, 401, 429]

    async def test_counts_by_address_with_an_invalid_token(
        self, client: Client
    ) -> None:
        client.headers["Authorization"] = "Bearer a.b.c"
        answers = [(await rename(client)).status_code for _ in range(3)]

        assert answers == [401, 401, 429]

    async def test_counts_requests_whose_body_is_refused(self, user: Client) -> None:
        """Mutant: count after reading the body, so that these requests never count."""
        answers = [
            (await user.patch("/users/me", content=b"{")).status_code for _ in range(3)
        ]

        assert answers == [415, 415, 429]

    async def test_shows_the_remaining_quota(self, user: Client) -> None:
        told = [(await rename(user)).headers for _ in range(3)]

        assert {headers["ratelimit-policy"] for headers in told} == {
            '"writes";q=2;w=60'
        }
        assert [remaining(headers["ratelimit"]) for headers in told] == [
            ("writes", 1),
            ("writes", 0),
            ("writes", 0),
        ]

    async def test_refuses_with_the_registered_problem_type(self, user: Client) -> None:
        *_, refused = [await rename(user) for _ in range(3)]

        assert refused.json() == {
            "type": QUOTA,
            "title": "Request cannot be satisfied as assigned quota has been exceeded",
            "status": 429,
            "detail": "Too many requests. "
            f"Try again in {refused.headers['retry-after']} s.",
            "code": "rate_limited",
            "request_id": refused.headers["x-request-id"],
            "violated-policies": ["writes"],
        }
        reset = re.search(r";t=(\d+)", refused.headers["ratelimit"])
        assert reset is not None
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert abs(int(reset[1]) - int(refused.headers["retry-after"])) <= 1
        assert refused.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("overrides", [ALL])
class TestLimitOnAllRequests:
    async def test_counts_each_address_separately(
        self, client: Client, people: People
    ) -> None:
        answers = [(await client.get("/notes")).status_code for _ in range(4)]

        assert answers == [401, 401, 401, 429]
        assert (await client.get("/health/live")).status_code == 200
        other = await people.anonymous("192.0.2.2")
        assert (await other.get("/notes")).status_code == 401

    async def test_counts_unknown_paths_and_methods(self, client: Client) -> None:
        asked = [("GET", "/nowhere"), ("PUT", "/auth/sessions/1"), ("GET", "/nowhere")]
        answers = [(await client.request(*each)).status_code for each in asked]

        assert answers == [404, 405, 404]
        assert (await client.get("/nowhere")).status_code == 429

    async def test_counts_requests_that_a_route_limit_also_counts(
        self, client: Client
    ) -> None:
        for _ in range(3):
            answer = await client.post("/auth/refresh", json={})
            assert answer.status_code == 422

        refused = await client.post("/auth/refresh", json={})

        assert refused.json()["violated-policies"] == ["all"]


class TestCost:
    @pytest.mark.parametrize("overrides", [ALL])
    async def test_is_counted_for_the_request(self, client: Client) -> None:
        """Mutants: count one hit; count one hit in addition to the cost."""
        costly = await client.get("/notes/export")
        again = await client.get("/notes/export")
        cheap = await client.get("/notes")

        assert remaining(costly.headers["ratelimit"]) == ("all", 1)
        assert (again.status_code, cheap.status_code) == (429, 401)

    @pytest.mark.parametrize("overrides", [{"rate_limit_all": "1/60"}])
    async def test_above_the_limit_uses_up_the_limit(self, client: Client) -> None:
        """Mutant: refuse such a request for ever."""
        answers = [await client.get("/notes/export") for _ in range(2)]

        assert [answer.status_code for answer in answers] == [401, 429]
        assert answers[1].headers["retry-after"]


class TestRateAboveAThousand:
    @pytest.mark.parametrize("overrides", [{"rate_limit_all": "6000/60"}])
    async def test_is_counted_in_a_shorter_window(self, client: Client) -> None:
        answer = await client.get("/notes")

        assert answer.headers["ratelimit-policy"] == '"all";q=1000;w=10'
        assert remaining(answer.headers["ratelimit"]) == ("all", 999)


class TestLimitsOfAuthEndpoints:
    @pytest.mark.parametrize("overrides", [{"rate_limit_requests": 1}])
    async def test_do_not_show_the_remaining_quota(self, client: Client) -> None:
        url = "/auth/refresh"
        *_, answer = [await client.post(url, content=b"{") for _ in range(2)]

        assert answer.status_code == 429
        assert answer.json()["violated-policies"] == ["refresh"]
        assert "ratelimit" not in answer.headers
        assert "ratelimit-policy" not in answer.headers


@pytest.mark.parametrize("backend", ["postgresql"])
@pytest.mark.parametrize("overrides", [BOTH])
async def test_all_limits_of_a_request_take_one_round_trip(
    client: Client, user: Client, settings: Settings
) -> None:
    """Mutant: call Redis once for each policy."""
    requests: list[Callable[[], Awaitable[Response]]] = [
        lambda: client.get("/notes"),
        lambda: client.post("/auth/refresh", json={}),
        lambda: rename(user),
        lambda: rename(client),
    ]
    await requests[0]()  # after the first call, Redis knows the script
    for request in requests:
        async with commands(settings.redis_url) as seen:
            await request()
        assert [line.split()[0] for line in seen] == ["EVALSHA"], seen


@asynccontextmanager
async def commands(url: str) -> AsyncGenerator[list[str]]:
    """Collect the commands that Redis gets in the block, without those of scripts."""
    seen: list[str] = []
    async with Redis.from_url(url) as client, client.monitor() as monitor:

        async def watch() -> None:
            async for command in monitor.listen():
                line: dict[str, Any] = command
                if line["client_type"] == "lua" or line["command"] == "PING":
                    continue
                if line["command"] == "ECHO end":
                    return
                seen.append(line["command"])

        watching = asyncio.create_task(watch())
        yield seen
        async with Redis.from_url(url) as other:
            await other.echo("end")
            async with asyncio.timeout(60):
                await watching
    seen[:] = [line for line in seen if line.split()[0] in COUNTED]


# A new connection also sends other commands, such as HELLO and CLIENT.
COUNTED = {"EVALSHA", "EVAL", "GET", "SET", "INCR", "SCRIPT", "MULTI", "EXEC", "DEL"}


def remaining(value: str) -> tuple[str, int]:
    match = re.fullmatch(r'"([a-z]+)";r=(\d+);t=\d+', value)
    assert match is not None, value
    return match[1], int(match[2])
