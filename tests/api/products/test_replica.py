"""Reads of products from a replica. In this test no change reaches the replica."""

import json
from typing import Any

import pytest

from app.db.models.product import Product, ProductStatus
from app.db.session import Database, transaction
from tests.conftest import make_settings
from tests.support.people import Client


@pytest.fixture
def backend() -> str:
    return "postgresql"


@pytest.fixture
def overrides(replica_url: str) -> dict[str, Any]:
    return {"database_replica_url": replica_url}


async def test_lists_and_exports_come_from_the_replica(
    replica_url: str, editor: Client, client: Client
) -> None:
    """Mutant: make `Catalogue` with `database.read` instead of the replica."""
    old = {"sku": "OLD", "name": "Old news", "price": 1, "stock": 1, "currency": "EUR"}
    async with (
        Database(make_settings(database_url=replica_url)) as replica,
        transaction(replica) as session,
    ):
        session.add(Product(**old, status=ProductStatus.ACTIVE))
    mug = {"sku": "NEW", "name": "Mug", "price": "1", "currency": "EUR"}

    created = await editor.post("/products", json=mug)

    assert created.status_code == 201
    listed = (await client.get("/products")).json()["items"]
    assert [product["sku"] for product in listed] == ["OLD"]
    exported = await editor.get("/products/export")
    assert [json.loads(line)["sku"] for line in exported.text.splitlines()] == ["OLD"]
