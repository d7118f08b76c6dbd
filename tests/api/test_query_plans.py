"""How lists are read when there are many rows."""

import re
from itertools import product as combinations
from typing import Any

import pytest
from fastapi import FastAPI

from app.db.session import Database
from tests.support.declared import document
from tests.support.people import Client
from tests.support.plans import Plans, fill

Query = dict[str, Any]

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
EVENT, RARE_EVENT = {"event": "auth.login.failure"}, {"event": "auth.refresh.reuse"}
SINCE, UNTIL = {"since": "2026-01-01T10:00:00Z"}, {"until": "2026-01-01T20:00:00Z"}
LISTS: dict[str, tuple[Query, ...]] = {
    "/products": (
        *PRODUCT_FILTERS,
        *(
            {"sort": sort, **each}
            for sort, each in combinations(SORTS, PRODUCT_FILTERS)
        ),
    ),
    "/products/{product_id}/movements": ({},),
    "/users": (
        {},
        {"q": "u5"},  # what nobody has reads every user
        {"role": "editor"},
        {"role": "admin"},
        {"is_active": "true"},
        {"is_active": "false"},
        {"role": "editor", "is_active": "true"},
        {"role": "editor", "q": "u5"},
    ),
    "/auth/sessions": ({},),
    "/users/me/security-events": ({},),
    "/audit-events": (
        {},
        EVENT,
        RARE_EVENT,
        SINCE,
        UNTIL,
        SINCE | UNTIL,
        EVENT | SINCE,
        {"actor_id": "{user_id}"},
        {"subject_id": "{user_id}"},
    ),
}
WORDS = {
    "postgresql": "Function Scan on products_matching",
    "sqlite": "SCAN products_search VIRTUAL TABLE INDEX",
}
MATCHING = """
SELECT * FROM products WHERE search @@ to_tsquery('simple', 'rare') LIMIT 1001
"""
# What few rows are found by. PostgreSQL sorts what it knows to be few.
FOUND_BY: dict[str, dict[str, tuple[Query, ...]]] = {
    "/products": {
        "ix_products_status_created_at_id": ({"status": "archived"},),
        "ix_products_status_price_id": ({"status": "archived", "sort": "price"},),
        "ix_products_status_name_id": ({"status": "archived", "sort": "name"},),
        "ix_products_category_created_at_id": (SMALL,),
        "ix_products_category_price_id": ({**SMALL, "sort": "price"},),
        "ix_products_category_name_id": ({**SMALL, "sort": "name"},),
        "ix_products_price_id": ({"max_price": "0", "sort": "price"},),
    },
    "/users": {
        "ix_users_role_created_at_id": ({"role": "admin"},),
        "ix_users_is_active_created_at_id": ({"is_active": "false"},),
    },
    "/users/me/security-events": {"ix_audit_events_subject_id_occurred_at_id": ({},)},
    "/audit-events": {
        "ix_audit_events_subject_id_occurred_at_id": ({"subject_id": "{user_id}"},),
        "ix_audit_events_actor_id_occurred_at_id": ({"actor_id": "{user_id}"},),
        "ix_audit_events_event_occurred_at_id": (
            RARE_EVENT,
            {"subject_id": "{user_id}", **RARE_EVENT},
        ),
    },
}


def test_no_list_is_forgotten() -> None:
    paths = document()["paths"].items()
    lists = {path for path, methods in paths if "/Page_" in str(methods.get("get"))}

    assert lists == {"/api/v1" + path for path in LISTS}


class Lists:
    """The lists of a service with many rows, each read for two pages."""

    def __init__(self, database: Database, **ids: str) -> None:
        self.database = database
        self.plans = Plans(database)
        self.ids = ids

    async def explain(self, client: Client, path: str, query: Query) -> list[str]:
        url = path.format(**self.ids)
        query = {name: value.format(**self.ids) for name, value in query.items()}
        page = await client.get(url, params=query)
        assert page.status_code == 200, page.text
        assert page.json()["items"], f"{url} {query} finds nothing"
        if cursor := page.json()["next_cursor"]:
            await client.get(url, params={**query, "cursor": cursor})
        return await self.plans.explain()


@pytest.fixture
def overrides() -> dict[str, Any]:
    return {"request_deadline_seconds": 25}


@pytest.fixture
async def lists(app: FastAPI, admin: Client) -> Lists:
    body = {"sku": "MUG", "name": "x", "price": "1", "currency": "EUR"}
    product_id = (await admin.post("/products", json=body)).json()["id"]
    lists = Lists(
        app.state.shared.database, product_id=product_id, user_id=admin.user_id
    )
    await fill(lists.database, **lists.ids)
    return lists


async def test_lists_are_read_by_an_index(
    lists: Lists, client: Client, admin: Client, backend: str
) -> None:
    """Mutant: drop an index, or add a column to the sort."""
    for path, queries in LISTS.items():
        visitors = [client] if path == "/products" else []
        for query, who in combinations(queries, [admin, *visitors]):
            for plan in await lists.explain(who, path, query):
                assert not scans(plan, backend), plan
                assert not sorts(plan), plan
    for path, indexes in FOUND_BY.items():
        for index, queries in indexes.items():
            for query in queries:
                plans = await lists.explain(admin, path, query)
                assert all(index in plan for plan in plans), "\n".join(plans)
    for query in {"q": "rare"}, {"q": "rare", "sort": "price"}:
        for plan in await lists.explain(admin, "/products", query):
            assert not scans(plan, backend), plan
            assert WORDS[backend] in plan, plan
    if backend == "postgresql":
        plan = await lists.plans.of(MATCHING)
        assert "Bitmap Index Scan on ix_products_search " in plan, plan


def sorts(plan: str) -> bool:
    return "Sort" in plan or "TEMP B-TREE" in plan


def scans(plan: str, backend: str) -> list[str]:
    """Find the lines that read a whole table, and not in the order of an index."""
    if backend == "postgresql":
        return re.findall("Seq Scan.*", plan)
    return re.findall(r"^SCAN (?!.* (?:USING|VIRTUAL) ).*", plan, re.MULTILINE)
