"""Limits per client address on login, register and refresh."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from testbed.accounts import PASSWORD
from tests.support.people import Client, People

WRONG = {"email": "nobody@example.org", "password": "not the password"}


async def statuses(*requests: Any) -> Counter[int]:
    return Counter(response.status_code for response in await asyncio.gather(*requests))


@pytest.mark.parametrize(
    "overrides",
    [
        {
            "login_failures_per_ip": 1000,
            "login_failures_per_account": 200,
            "password_hash_queue": 100,
        }
    ],
)
async def test_concurrent_requests_are_accepted_up_to_the_limit(client: Client) -> None:
    """Mutant: read the counter first and count later, which would allow all 300."""
    answers = await statuses(
        *(client.post("/auth/login", json=WRONG) for _ in range(300))
    )

    assert answers == {401: 100, 429: 200}


@pytest.mark.parametrize("overrides", [{"rate_limit_requests": 3}])
class TestAddressLimit:
    @pytest.mark.parametrize("path", ["login", "register", "refresh"])
    async def test_counts_every_outcome(self, client: Client, path: str) -> None:
        url = f"/auth/{path}"
        for _ in range(3):
            assert (await client.post(url, json={"no": "sense"})).status_code == 422

        refused = await client.post(url, json={})

        assert refused.status_code == 429
        assert refused.json()["code"] == "rate_limited"
        assert 1 <= int(refused.headers["retry-after"]) <= 60

    async def test_counts_each_address_and_each_endpoint_separately(
        self, client: Client, people: People
    ) -> None:
        await statuses(*(client.post("/auth/login", json=WRONG) for _ in range(3)))
        assert (await client.post("/auth/login", json=WRONG)).status_code == 429

        assert (await client.post("/auth/refresh", json={})).status_code == 422
        other = await people.anonymous(address="192.0.2.2")
        assert (await other.post("/auth/login", json=WRONG)).status_code == 401
        spoofed = {"X-Forwarded-For": "192.0.2.3"}
        response = await client.post("/auth/login", json=WRONG, headers=spoofed)
        assert response.status_code == 429

    async def test_counts_an_ipv6_network_as_one_address(self, people: People) -> None:
        for host in range(3):
            client = await people.anonymous(address=f"2001:db8:1:2::{host}")
            assert (await client.post("/auth/login", json=WRONG)).status_code == 401

        neighbour = await people.anonymous(address="2001:db8:1:2:ffff::1")
        assert (await neighbour.post("/auth/login", json=WRONG)).status_code == 429
        stranger = await people.anonymous(address="2001:db8:1:3::1")
        assert (await stranger.post("/auth/login", json=WRONG)).status_code == 401


@pytest.mark.parametrize("overrides", [{"rate_limit_enabled": False}])
async def test_limits_can_be_switched_off(client: Client) -> None:
    answers = await statuses(
        *(client.post("/auth/refresh", json={}) for _ in range(150))
    )
    assert answers == {422: 150}


async def test_an_office_can_log_in_at_the_same_time(
    client: Client, people: People
) -> None:
    """Mutant: refuse the eleventh login while ten passwords are still being checked."""
    user = await people.add()
    credentials = {"email": user.email, "password": PASSWORD}

    answers = await statuses(
        *(client.post("/auth/login", json=credentials) for _ in range(40))
    )

    assert answers == {200: 40}
