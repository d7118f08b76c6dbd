"""An import while other requests change the same products."""

import json
from asyncio import Task, create_task, sleep
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from httpx2 import Response
from sqlalchemy import text

from app.core.preconditions import ExpectedVersion
from app.db.session import Database, transaction
from app.schemas.product import ProductCreate, StockChange
from app.services.products.writes import ProductService
from tests.support.people import Client

pytestmark = pytest.mark.parametrize("backend", ["postgresql"])  # SQLite has one writer

MUG: dict[str, Any] = {"sku": "MUG", "name": "Mug", "price": "12.50", "currency": "EUR"}
CREATED = ProductCreate(**MUG, stock=7, status="active", category="kitchen")
OTHER = ProductCreate(**{**MUG, "sku": "OTHER"})
WAITING = text("""
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
""")


@pytest.fixture
def database(app: FastAPI) -> Database:
    found: Database = app.state.shared.database
    return found


async def begin_import(
    database: Database, editor: Client, *rows: dict[str, Any]
) -> Task[Response]:
    """Start an import. Return once the import waits for another transaction."""
    content = "\n".join(map(json.dumps, rows))
    headers = {"Content-Type": "application/x-ndjson"}
    url = "/products/import"
    task = create_task(editor.post(url, content=content, headers=headers))
    await until_it_waits(database, task)
    return task


async def until_it_waits(database: Database, task: Task[Response]) -> None:
    while not (await database.read.all(WAITING, {}))[0][0]:
        assert not task.done()
        await sleep(0.01)


async def deltas(editor: Client, product_id: UUID) -> list[int]:
    movements = (await editor.get(f"/products/{product_id}/movements")).json()
    return [movement["delta"] for movement in movements["items"]]


@pytest.mark.parametrize(
    ("row", "stock", "logged"), [({"stock": 3}, 3, [-4]), ({}, 7, [])]
)
async def test_updates_a_product_created_during_the_import(
    database: Database, editor: Client, row: Any, stock: int, logged: list[int]
) -> None:
    """Mutant: decide before the statement whether it inserts or updates."""
    rows = {**MUG, **row, "price": "9"}, {**MUG, "sku": "OTHER"}
    async with transaction(database) as session:
        await session.connection()  # begins the transaction
        product = await ProductService(session).create(CREATED)
        importing = await begin_import(database, editor, *rows)
    report = (await importing).json()

    assert (report["created"], report["updated"]) == (1, 1)
    mug = (await editor.get(f"/products/{product.id}")).json()
    assert (mug["price"], mug["stock"], mug["version"]) == ("9.00", stock, 2)
    assert (mug["status"], mug["category"]) == ("active", "kitchen")
    assert await deltas(editor, product.id) == logged


async def test_logs_the_difference_to_the_stock_that_another_change_left(
    database: Database, editor: Client
) -> None:
    """Mutants: log movements without a lock; log them from the stock at the start."""
    async with transaction(database) as session:
        product = await ProductService(session).create(CREATED)
    async with transaction(database) as delivery:
        async with transaction(database) as session:
            await session.connection()  # begins the transaction
            await ProductService(session).create(OTHER)
            importing = await begin_import(
                database, editor, {**MUG, "stock": 3}, {**MUG, "sku": "OTHER"}
            )
            # The import has read MUG and waits for the transaction that created OTHER.
            arrives = StockChange(delta=5, reason="delivery")
            actor_id = UUID(editor.user_id)
            await ProductService(delivery).change_stock(
                product.id, ExpectedVersion(None), arrives, actor_id
            )
        await until_it_waits(database, importing)
    report = (await importing).json()

    assert (report["created"], report["updated"]) == (0, 2)
    url = f"/products/{product.id}"
    [last, first] = (await editor.get(f"{url}/movements")).json()["items"]
    assert (first["reason"], first["delta"]) == ("delivery", 5)
    assert (last["reason"], last["delta"], last["stock_after"]) == ("import", -9, 3)
    mug = (await editor.get(url)).json()
    assert (mug["stock"], mug["updated_at"]) == (3, last["created_at"])


async def test_creates_a_product_whose_sku_changed_during_the_import(
    database: Database, editor: Client
) -> None:
    """Mutant: use the SKUs as they were when the import began."""
    async with transaction(database) as session:
        product = await ProductService(session).create(CREATED)
    async with transaction(database) as session:
        await session.connection()  # begins the transaction
        await ProductService(session).create(OTHER)
        importing = await begin_import(database, editor, MUG, {**MUG, "sku": "OTHER"})
        renamed = await editor.patch(
            f"/products/{product.id}", json={"sku": "OLD"}, headers={"If-Match": "*"}
        )
        assert renamed.status_code == 200
    report = (await importing).json()

    assert (report["created"], report["updated"]) == (1, 1)
    found = (await editor.get("/products")).json()["items"]
    assert {each["sku"] for each in found} == {"OLD", "MUG", "OTHER"}
