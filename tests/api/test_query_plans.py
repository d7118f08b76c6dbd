"""How lists are read when there are many rows."""

from itertools import product as combinations
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import event, text

from app.db.session import Database, transaction
from tests.support.people import Client

ROWS = 100_000
SERIES = {
    "postgresql": "generate_series(1, :rows) AS series(n)",
    "sqlite": "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s"
    " WHERE n < :rows) SELECT n FROM s) AS series",
}
UUID = {
    "postgresql": "md5(n::text)::uuid",
    "sqlite": "printf('%032x', n * 48271)",
}
AT = {
    "postgresql": "timestamptz '2026-01-01' + n * interval '1 s'",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', '2026-01-01', n || ' seconds')",
}
PRODUCTS = """
INSERT INTO products (id, sku, name, description, price, currency, stock, category,
                      status, version, created_at, updated_at)
SELECT {id}, 'SKU-' || n, 'Mug ' || (n % 977), CASE WHEN n % 10000 = 0 THEN 'rare' END,
       n % 1009, 'EUR', n % 5, 'category-' || (n % 6),
       CASE WHEN n % 10 = 0 THEN 'draft' ELSE 'active' END, 1, {at}, {at} FROM {series}
"""
USERS = """
INSERT INTO users (id, email, email_canonical, password_hash, role, is_active,
                   email_verified, version, created_at, updated_at)
SELECT {id}, 'u' || n, 'u' || n, '', 'user', true, true, 1, {at}, {at} FROM {series}
"""
MOVEMENTS = """
INSERT INTO stock_movements (id, product_id, delta, stock_after, reason, created_at)
SELECT {id}, {product}, 1, 1, 'delivery', {at} FROM {series}
"""
FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"category": "category-3"},
    {"status": "active"},
    {"min_price": "100", "max_price": "900"},
    {"in_stock": "true"},
    {"q": "mug"},
)
SORTS = ("created_at", "-created_at", "price", "-price", "name", "-name")


class Plans:
    """The plan of each statement that reads while this is listening."""

    def __init__(self, database: Database) -> None:
        self.engine = database.reader
        self.statements: list[tuple[str, Any]] = []
        event.listen(self.engine.sync_engine, "before_cursor_execute", self.note)

    def note(self, _: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
        if "LIMIT" in statement and not statement.startswith("EXPLAIN"):
            self.statements.append((statement, values))

    async def explain(self) -> list[str]:
        on_sqlite = self.engine.dialect.name == "sqlite"
        explain = "EXPLAIN QUERY PLAN " if on_sqlite else "EXPLAIN "
        plans = []
        async with self.engine.connect() as connection:
            for statement, values in self.statements:
                found = await connection.exec_driver_sql(explain + statement, values)
                lines = [str(row[-1]) for row in found]
                plans.append("\n".join([statement, *lines]))
        self.statements.clear()
        return plans


async def fill(database: Database, product_id: str) -> None:
    name = database.writer.dialect.name
    parts = {"id": UUID[name], "at": AT[name], "series": SERIES[name]}
    parts["product"] = f"'{product_id}'" + ("::uuid" if name == "postgresql" else "")
    async with transaction(database) as session:
        for statement in (PRODUCTS, USERS, MOVEMENTS):
            await session.execute(text(statement.format(**parts)), {"rows": ROWS})
    async with transaction(database) as session:
        await session.execute(text("ANALYZE"))


async def two_pages(client: Client, path: str, **parameters: Any) -> None:
    page = await client.get(path, params=parameters)
    assert page.status_code == 200, page.text
    cursor = page.json()["next_cursor"]
    await client.get(path, params={**parameters, "cursor": cursor})


@pytest.mark.parametrize("overrides", [{"request_deadline_seconds": 25}])
async def test_lists_are_read_in_the_order_of_an_index(
    app: FastAPI, client: Client, editor: Client, admin: Client, backend: str
) -> None:
    """Mutant: drop an index, or add a column to the sort.

    SQLite sorts what a category, a price or a word leaves; rare words both sort.
    """
    body = {"sku": "MUG", "name": "x", "price": "1", "currency": "EUR"}
    product_id = (await editor.post("/products", json=body)).json()["id"]
    hexadecimal = product_id.replace("-", "")
    await fill(app.state.resources.database, hexadecimal)
    plans = Plans(app.state.resources.database)

    for sort, parameters in combinations(SORTS, FILTERS):
        if backend == "sqlite" and parameters.keys() & {"q", "category", "min_price"}:
            continue
        for who in (client, editor):
            await two_pages(who, "/products", sort=sort, **parameters)
    await two_pages(client, "/products", category="category-3")
    await two_pages(admin, "/users")
    await two_pages(editor, f"/products/{product_id}/movements")

    explained = await plans.explain()
    assert len(explained) >= 2 * (2 * 6 * 3 + 3)
    for plan in explained:
        if backend == "sqlite":
            assert "TEMP B-TREE" not in plan, plan
            assert "USING INDEX" in plan, plan
        else:
            assert "Sort" not in plan, plan
            assert "Seq Scan" not in plan, plan
            assert "Index Scan" in plan, plan

    await two_pages(client, "/products", q="rare", sort="price", limit=5)
    for plan in await plans.explain():
        if backend == "sqlite":
            assert "SCAN products\n" not in plan, plan
        else:
            assert "Function Scan on products_matching" in plan, plan
