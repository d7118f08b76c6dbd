"""Searching finds words of every script, on both databases."""

import json
import string
from typing import Any
from unicodedata import normalize

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.db.session import transaction
from app.demo import products
from app.services.products.search import MOST_LETTERS, MOST_PREFIXES, prefixes
from tests.api.products.files import NDJSON
from tests.support.people import Client

PRODUCT = {"price": "1", "currency": "EUR", "status": "active"}
ANY = {"If-Match": "*"}
DECOMPOSED = normalize("NFD", "Résumé tray")
NAMES = {
    "हिन्दी किताब": ["हिन्दी", "किताब"],
    "नमस्ते": ["नमस्"],
    "น้ำดื่ม": ["น้ำ"],
    "สวัสดี": ["สวัส"],
    "مُحَمَّد": ["مُحَ"],
    "قهوة،شاي": ["شاي", "قهوة"],
    "چای می\u200cخواهم": ["خواهم"],  # noqa: RUF001
    "चाय।दूध": ["दूध"],
    "בית־ספר": ["ספר"],
    "東京、大阪": ["大阪"],
    "I ❤️pizza": ["pizza"],
    "1️⃣cake": ["cake"],
    "mug🤖red👍🏽blue": ["red", "blue"],
    "abc™def": ["def"],
    "฿100": ["100"],
    "｛abc｝": ["abc"],  # noqa: RUF001
    "ａ［ｂ": ["ｂ", "Ａ"],  # noqa: RUF001
    "№5": ["5"],
    DECOMPOSED: ["résumé", "RÉSUMÉ", normalize("NFD", "résumé")],
    "καφες": ["ΚΑΦΕΣ", "καφεσ"],
    "Σίσυφος": ["ΣΊΣΥΦΟΣ", "σίσυφοσ"],
    "İstanbul": ["İSTANBUL"],
    "100 µF": ["μf"],
    "x" * 200: ["x" * 50],
}


async def skus(who: Client, q: str, **parameters: str) -> list[str]:
    response = await who.get("/products", params={"q": q, **parameters})
    assert response.status_code == 200, response.text
    return [product["sku"] for product in response.json()["items"]]


async def send(who: Client, *products: dict[str, Any]) -> None:
    lines = "".join(json.dumps(product) + "\n" for product in products)
    response = await who.post("/products/import", content=lines, headers=NDJSON)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("sort", [{}, {"sort": "name"}])
async def test_finds_names_and_their_words(
    editor: Client, sort: dict[str, str]
) -> None:
    """Mutants: split words at combining marks; do not compose accents and letters."""
    for number, name in enumerate(NAMES):
        body = {**PRODUCT, "sku": f"N{number}", "name": name}
        response = await editor.post("/products", json=body)
        assert response.status_code == 201, response.text

    for number, (name, parts) in enumerate(NAMES.items()):
        for q in (name, name.upper(), *parts):
            assert f"N{number}" in await skus(editor, q, **sort), (name, q)


async def test_accepts_words_that_are_too_long_for_an_index(editor: Client) -> None:
    """Mutant: do not shorten these words. A tsvector refuses words over 2 KiB."""
    long = {"sku": "L1", "name": "Lamp", "description": "ü" * 2500 + "x" * 2500}

    response = await editor.post("/products", json=PRODUCT | long)

    assert response.status_code == 201, response.text
    assert await skus(editor, "lamp üüü") == ["L1"]


async def test_only_a_bounded_number_of_words_is_searched(editor: Client) -> None:
    """Mutants: leave out words that change the result; search for all words."""
    await send(editor, {**PRODUCT, "sku": "S1", "name": "Blue mug", "category": "kit"})
    letters = " ".join(string.ascii_lowercase)

    assert await skus(editor, "b bl m blue mug mug k s") == ["S1"]
    assert await skus(editor, "b bl m blue mug mug k x") == []
    assert prefixes("b bl m blue mug mug k s") == ["blue", "mug", "k", "s"]
    assert prefixes(letters) == list(string.ascii_lowercase[:MOST_LETTERS])
    assert len(prefixes(" ".join(f"x{n}" for n in range(40)))) == MOST_PREFIXES


@pytest.mark.parametrize("overrides", [{"rate_limit_all": "9/60"}])
async def test_a_search_counts_as_four_requests(client: Client) -> None:
    q = {"q": "mug"}
    answers = [await client.get("/products", params=p) for p in ({}, q, q, q, {})]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]


async def test_every_write_updates_the_words(app: FastAPI, editor: Client) -> None:
    """Mutants: store no words in one kind of write; on SQLite, leave out a trigger."""
    body = {**PRODUCT, "sku": "S1", "name": "Blue mug", "category": "Kitchen"}
    created = (await editor.post("/products", json=body)).json()
    url = f"/products/{created['id']}"
    assert await skus(editor, "mug kit") == ["S1"]

    await editor.patch(url, json={"name": "Red pan"}, headers=ANY)
    assert await skus(editor, "mug") == []
    assert await skus(editor, "pan kit") == ["S1"]

    await editor.patch(url, json={"category": None}, headers=ANY)
    assert await skus(editor, "kit") == []

    await send(editor, {**body, "description": "Stout", "name": "Big pot"})
    assert await skus(editor, "pan") == []
    assert await skus(editor, "pot kit stout") == ["S1"]

    del body["category"]  # an import keeps the fields that a row omits
    await send(editor, {**body, "name": "Jug"}, {**body, "sku": "S2", "name": "Jug"})
    assert await skus(editor, "jug kit stout") == ["S1"]
    assert sorted(await skus(editor, "jug")) == ["S1", "S2"]

    await editor.delete(url, headers=ANY)
    assert await skus(editor, "jug") == ["S2"]

    # One product is left, so the next demo product has the number 2.
    await products.add(app.state.shared.database, 1)
    product = products.make_product(2)
    assert await skus(editor, product["name"]) == [product["sku"]]
    assert await skus(editor, product["description"][:200]) == [product["sku"]]


async def test_an_update_without_a_change_keeps_the_version(editor: Client) -> None:
    """Mutant: write the words of a product that has not changed."""
    body = {**PRODUCT, "sku": "S1", "name": "Blue mug"}
    created = (await editor.post("/products", json=body)).json()

    url = f"/products/{created['id']}"
    changed = await editor.patch(url, json={"name": "Blue mug"}, headers=ANY)

    assert changed.json() == created


async def test_rows_written_by_sql_are_found_after_the_service_saves_them(
    app: FastAPI, editor: Client
) -> None:
    body = {**PRODUCT, "sku": "S1", "name": "Blue mug"}
    created = (await editor.post("/products", json=body)).json()
    async with transaction(app.state.shared.database) as session:
        await session.execute(text("UPDATE products SET title_words = NULL"))
    assert await skus(editor, "mug") == []

    await editor.patch(f"/products/{created['id']}", json={"price": "2"}, headers=ANY)

    assert await skus(editor, "mug") == ["S1"]
