"""Products without a framework."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from uuid_utils.compat import uuid7

from app.services.products.search import search_columns
from bench.accounts.raw_asgi import find_caller
from bench.raw_endpoint import Answer, Receive, Scope, dumps, is_known, read_body

PRODUCT = (
    "id, sku, name, description, price, currency, stock, category, status, version,"
    " created_at, updated_at"
)
SELECT_PRODUCT = f"SELECT {PRODUCT} FROM products WHERE id = $1 AND status = 'active'"
SELECT_PRODUCTS = (
    f"SELECT {PRODUCT} FROM products WHERE status = 'active'"
    " ORDER BY created_at DESC, id DESC LIMIT $1"
)
INSERT_PRODUCT = (
    f"INSERT INTO products ({PRODUCT}, title_words, category_words, description_words)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $10, $11, $12, $13)"
)


async def list_products(pool: asyncpg.Pool, scope: Scope, _: Receive) -> Answer:
    limit = int(scope["query_string"].removeprefix(b"limit="))
    return 200, dumps(page(await pool.fetch(SELECT_PRODUCTS, limit + 1), limit))


def page(rows: Sequence[Any], limit: int) -> dict[str, Any]:
    """Write a cursor that is as long as the signed one of the application."""
    cursor = None
    if len(rows) > limit:
        last = rows[limit - 1]
        position = dumps([0, last["created_at"], last["id"].hex])
        cursor = urlsafe_b64encode(bytes(17) + position).rstrip(b"=").decode()
    return {"items": [dict(row) for row in rows[:limit]], "next_cursor": cursor}


async def read_product(pool: asyncpg.Pool, scope: Scope, _: Receive) -> Answer:
    product_id = UUID(scope["path"].rpartition("/")[2])
    row = await pool.fetchrow(SELECT_PRODUCT, product_id)
    if row is None:
        return 404, b""
    if is_known(scope, row["version"]):
        return 304, b""
    return 200, dumps(dict(row))


async def create_product(pool: asyncpg.Pool, scope: Scope, receive: Receive) -> Answer:
    caller = await find_caller(pool, scope)
    if caller is None or caller["role"] == "user":
        return (403 if caller else 401), b""
    sent = orjson.loads(await read_body(receive))
    return 201, dumps(await insert(pool, sent | {"price": Decimal(sent["price"])}))


async def insert(pool: asyncpg.Pool, sent: Mapping[str, Any]) -> dict[str, Any]:
    now = datetime.now(UTC)
    row = {
        "id": uuid7(),
        "sku": sent["sku"],
        "name": sent["name"],
        "description": sent["description"],
        "price": sent["price"],
        "currency": sent["currency"],
        "stock": sent["stock"],
        "category": sent["category"],
        "status": sent["status"],
        "created_at": now,
    }
    await pool.execute(INSERT_PRODUCT, *row.values(), *search_columns(row).values())
    del row["created_at"]
    return row | {"version": 1, "created_at": now, "updated_at": now}


ROUTES = {
    ("GET", "/products"): list_products,
    ("GET", "/products/"): read_product,
    ("POST", "/products"): create_product,
}
