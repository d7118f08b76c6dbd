"""The audit trail of products: changed prices, deleted products, imported files."""

from typing import Any

import pytest

from tests.api.products.files import MUG, NDJSON, rows
from tests.support.people import Client

ANY_VERSION = {"If-Match": "*"}


@pytest.fixture
async def url(editor: Client) -> str:
    created = await editor.post("/products", json=MUG)
    return f"/products/{created.json()['id']}"


async def recorded(admin: Client, event: str) -> list[dict[str, Any]]:
    answer = await admin.get("/audit-events", params={"event": event})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


@pytest.mark.parametrize(
    ("change", "new"),
    [({"price": "9"}, "9.00 EUR"), ({"currency": "USD"}, "12.50 USD")],
)
async def test_a_change_of_the_price_is_recorded(
    editor: Client, admin: Client, url: str, change: dict[str, str], new: str
) -> None:
    """Mutants: record no event; ignore a change of the currency."""
    await editor.patch(url, json=change, headers=ANY_VERSION)

    [event] = await recorded(admin, "product.price_changed")
    assert (event["actor_id"], event["actor_type"]) == (editor.user_id, "user")
    assert event["subject_id"] == url.rpartition("/")[2]
    assert event["subject_type"] == "product"
    assert event["detail"] == {"sku": "MUG", "old": "12.50 EUR", "new": new}


async def test_another_change_is_not_recorded_as_a_change_of_the_price(
    editor: Client, admin: Client, url: str
) -> None:
    """Mutant: record an event for each PATCH."""
    for change in ({"price": "12.5"}, {"name": "Cup"}, {"stock": 3}):
        await editor.patch(url, json=change, headers=ANY_VERSION)

    assert await recorded(admin, "product.price_changed") == []


async def test_a_refused_change_is_not_recorded(
    editor: Client, admin: Client, url: str
) -> None:
    """Mutant: commit the event in a transaction of its own."""
    await editor.post("/products", json={**MUG, "sku": "CUP"})

    taken = await editor.patch(
        url, json={"price": "9", "sku": "CUP"}, headers=ANY_VERSION
    )

    assert taken.status_code == 409
    assert await recorded(admin, "product.price_changed") == []


async def test_a_deletion_is_recorded(editor: Client, admin: Client, url: str) -> None:
    """Mutant: record no event."""
    await editor.delete(url, headers=ANY_VERSION)

    [event] = await recorded(admin, "product.deleted")
    assert event["actor_id"] == editor.user_id
    assert event["subject_id"] == url.rpartition("/")[2]
    assert event["detail"] == {"sku": "MUG"}


@pytest.mark.usefixtures("url")
async def test_an_import_is_recorded_with_its_counts(
    editor: Client, admin: Client
) -> None:
    """Mutants: record no event; record an event for each row."""
    known = rows(1, "MUG").replace(b"MUG0", b"MUG")
    content = known + rows(2, "NEW") + b'{"sku": "x"}\n'

    for mode in ("strict", "partial"):
        path = f"/products/import?mode={mode}"
        await editor.post(path, content=content, headers=NDJSON)

    [event] = await recorded(admin, "products.imported")  # `strict` stored nothing
    assert event["actor_id"] == editor.user_id
    assert (event["subject_id"], event["subject_type"]) == (None, None)
    assert event["detail"] == {"created": 2, "updated": 1, "failed": 1}
