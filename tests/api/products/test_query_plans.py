"""The query plans of products and movements, in tables with many rows."""

from itertools import product as combinations
from typing import Any

import pytest
from fastapi import FastAPI

from tests.api.products.files import MUG
from tests.support.people import Client
from tests.support.plans import Lists, Query, fill, scans
from tests.support.watch import each_statement

SORTS = ("created_at", "-created_at", "price", "-price", "name", "-name")
CATEGORY, SMALL = {"category": "category-3"}, {"category": "small", "status": "active"}
RANGE = {"min_price": "100", "max_price": "900"}
IN_STOCK, WORD, CHEAP = {"in_stock": "true"}, {"q": "mug"}, {"max_price": "500"}
PRODUCT_FILTERS: tuple[Query, ...] = (
    {},
    {"status": "active"},
    IN_STOCK,
    WORD,
    WORD | IN_STOCK,
    CATEGORY,
    CATEGORY | IN_STOCK,
    CATEGORY | WORD,
    SMALL,
    CHEAP,
    RANGE,
    CATEGORY | CHEAP,
    WORD | CHEAP | IN_STOCK,
)
LISTS: dict[str, tuple[Query, ...]] = {
    "/products": (
        *PRODUCT_FILTERS,
        *(
            {"sort": sort, **each}
            for sort, each in combinations(SORTS, PRODUCT_FILTERS)
        ),
    ),
    "/products/{product_id}/movements": ({},),
}
WORDS = {
    "postgresql": "Function Scan on products_matching",
    "sqlite": "SCAN products_search VIRTUAL TABLE INDEX",
}
NEAR = "Subquery Scan on products "  # the search among the next few products
MATCHING = """
SELECT * FROM products WHERE search @@ to_tsquery('simple', 'rare') LIMIT 1001
"""
# Queries that an index answers with few rows. PostgreSQL can then sort these rows.
FOUND_BY: dict[str, tuple[Query, ...]] = {
    "ix_products_status_created_at_id": ({"status": "archived"},),
    "ix_products_category_created_at_id": (SMALL,),
    "ix_products_category_price_id": ({**SMALL, "sort": "price"},),
    "ix_products_category_name_id": ({**SMALL, "sort": "name"},),
    "ix_products_price_id": ({"max_price": "0", "sort": "price"},),
}
# One row in a hundred belongs to the product whose list the test reads.
FILL = (
    """
    INSERT INTO products
        (id, sku, name, description, price, currency, stock, category, status,
         version, title_words, description_words, created_at, updated_at)
    SELECT {id}, 'SKU-' || n, 'Mug ' || (n % 977),
        CASE WHEN n % 10000 = 1 THEN 'rare' END, {amount}, 'EUR', n % 5,
        CASE WHEN n % 100 = 1 THEN 'small' ELSE 'category-' || (n % 6) END,
        CASE WHEN n % 1000 = 0 THEN 'archived' WHEN n % 10 = 0 THEN 'draft'
             ELSE 'active' END,
        1, 'mug ^mug', CASE WHEN n % 10000 = 1 THEN 'rare' END, {at}, {at}
    FROM {series}
    """,
    """
    INSERT INTO stock_movements
        (id, product_id, delta, stock_after, reason, created_at)
    SELECT {id}, CASE WHEN n % 100 = 0 THEN {product} ELSE {id} END, 1, 1, 'x', {at}
    FROM {series}
    """,
)


@pytest.fixture
def overrides() -> dict[str, Any]:
    return {"request_deadline_seconds": 25}


async def test_every_list_is_read_through_an_index(
    app: FastAPI, client: Client, admin: Client, backend: str
) -> None:
    """Mutants: drop an index; sort by one more column; look up the most common word."""
    product_id = (await admin.post("/products", json=MUG)).json()["id"]
    lists = Lists(app.state.shared.database, product_id=product_id)
    await fill(lists.database, FILL, product=product_id)

    for path, queries in LISTS.items():
        visitors = [client] if path == "/products" else []
        for query, caller in combinations(queries, [admin, *visitors]):
            await lists.check(caller, path, query)
    await lists.check_found_by(admin, "/products", FOUND_BY)
    for query in {"q": "rare"}, {"q": "rare", "sort": "price"}:
        plans = await lists.explain(admin, "/products", query)
        indexed = [plan for plan in plans if NEAR not in plan]
        assert indexed
        for plan in indexed:
            assert not scans(plan, backend), plan
            assert WORDS[backend] in plan, plan
    if backend == "postgresql":
        with each_statement(lists.plans.note):
            page = await admin.get("/products", params={"q": "mug rar"})
        assert len(page.json()["items"]) == 10
        asked = [values for _, values in lists.plans.statements]
        assert any("'rar':*" in values for values in asked)
        assert not any("'mug':*" in values for values in asked)
        plan = await lists.plans.of(MATCHING)
        assert "Bitmap Index Scan on ix_products_search " in plan, plan
