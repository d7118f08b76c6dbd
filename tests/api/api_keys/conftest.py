"""Makes API keys for the accounts of the tests."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import update

from app.db.models.api_key import ApiKey
from app.db.session import transaction
from tests.support.people import Client, People

Program = Callable[..., Awaitable[Client]]


async def make_key(owner: Client, *scopes: str, **fields: Any) -> dict[str, Any]:
    body = {"name": "Nightly import", "scopes": scopes or ["account:read"], **fields}
    response = await owner.post("/api-keys", json=body)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def status(client: Client) -> int:
    return (await client.get("/users/me")).status_code


async def alter_key(app: FastAPI, client: Client, **values: Any) -> None:
    """Change columns of a key, for example to let time pass."""
    key = UUID(client.tokens["id"])
    async with transaction(app.state.shared.database) as session:
        await session.execute(update(ApiKey).where(ApiKey.id == key).values(values))


async def recorded(admin: Client, name: str) -> list[dict[str, Any]]:
    query = {"event": f"account.api_key.{name}"}
    found = (await admin.get("/audit-events", params=query)).json()
    return list(found["items"])


@pytest.fixture
def program(people: People) -> Program:
    """Open a client that sends a new API key of an account."""

    async def open_program(
        owner: Client, *scopes: str, address: str = "192.0.2.1", **fields: Any
    ) -> Client:
        client = await people.anonymous(address)
        client.tokens = await make_key(owner, *scopes, **fields)
        client.headers["Authorization"] = f"Bearer {client.tokens['key']}"
        client.account = owner.account
        return client

    return open_program
