"""A replica that lags for ever: another database, which nothing is written to."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from sqlalchemy import make_url

from app.db.models.product import Product, ProductStatus
from app.db.session import Database, transaction
from testbed.mailbox import newest_token
from testbed.postgres import execute
from tests.conftest import make_settings
from tests.support.people import Client, People

ACCOUNT = {"email": "ada@example.org", "password": "a quiet orange typewriter"}
NEW_PASSWORD = "a loud violet harmonica"


@pytest.fixture
def backend() -> str:
    return "postgresql"


@pytest.fixture
def replica_url(postgres_url: str, postgres_template: str) -> Iterator[str]:
    name = f"test_replica_{uuid4().hex}"
    create = f"CREATE DATABASE {name} TEMPLATE {postgres_template}"
    asyncio.run(execute(postgres_url, create))
    url = make_url(postgres_url).set(database=name)
    yield url.render_as_string(hide_password=False)
    asyncio.run(execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def overrides(replica_url: str) -> dict[str, Any]:
    return {"database_replica_url": replica_url}


async def log_in(client: Client, password: str = ACCOUNT["password"]) -> dict[str, Any]:
    account = {**ACCOUNT, "password": password}
    answer = await client.post("/auth/login", json=account)
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    return tokens


class TestLag:
    """Mutant: the replica for every read, as that of the caller's session."""

    async def test_does_not_touch_sessions(self, client: Client) -> None:
        registered = await client.post("/auth/register", json=ACCOUNT)
        assert registered.status_code == 201, registered.text

        tokens = await log_in(client)
        assert (await client.get("/users/me")).json()["email"] == ACCOUNT["email"]
        assert len((await client.get("/auth/sessions")).json()["items"]) == 1
        refreshed = await client.post(
            "/auth/refresh", json={"refresh_token": tokens["refresh_token"]}
        )
        assert refreshed.status_code == 200, refreshed.text
        spent = {"refresh_token": refreshed.json()["refresh_token"]}
        assert (await client.post("/auth/logout", json=spent)).status_code == 204
        assert (await client.get("/users/me")).status_code == 401

    async def test_does_not_touch_mailed_links(
        self, app: FastAPI, client: Client
    ) -> None:
        await client.post("/auth/register", json=ACCOUNT)
        await client.post("/auth/password/forgot", json={"email": ACCOUNT["email"]})
        token = await newest_token(app, "reset_password")

        reset = await client.post(
            "/auth/password/reset", json={"token": token, "password": NEW_PASSWORD}
        )

        assert reset.status_code == 204, reset.text
        await log_in(client, NEW_PASSWORD)


async def test_lists_come_from_the_replica(
    replica_url: str, people: People, client: Client
) -> None:
    """Mutant: `Catalogue(database.read, …)`, which leaves the replica idle."""
    replica = Database(make_settings(database_url=replica_url))
    async with transaction(replica) as session:
        session.add(
            Product(
                sku="OLD",
                name="Old news",
                price=1,
                stock=1,
                currency="EUR",
                status=ProductStatus.ACTIVE,
            )
        )
    await replica.close()
    admin = await people.sign_in("admin")
    mug = {"sku": "NEW", "name": "Mug", "price": "1", "currency": "EUR"}

    created = await admin.post("/products", json=mug)

    assert created.status_code == 201
    listed = (await client.get("/products")).json()["items"]
    assert [product["sku"] for product in listed] == ["OLD"]
    exported = await admin.get("/products/export")
    assert [json.loads(line)["sku"] for line in exported.text.splitlines()] == ["OLD"]
    assert (await admin.get("/users")).json()["items"] == []
    assert (await admin.get("/audit-events")).json()["items"] == []
