"""Products are found by words of every script, on both databases."""

from unicodedata import normalize

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.core.config import Settings
from app.db import migrate
from app.db.session import transaction
from tests.support.people import Client

PRODUCT = {"price": "1", "currency": "EUR", "status": "active"}
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


@pytest.mark.parametrize("sort", [{}, {"sort": "name"}])
async def test_names_and_their_words_are_found(
    editor: Client, sort: dict[str, str]
) -> None:
    """Mutants: to part words at marks; to leave accents apart from their letters."""
    for number, name in enumerate(NAMES):
        body = {**PRODUCT, "sku": f"N{number}", "name": name}
        response = await editor.post("/products", json=body)
        assert response.status_code == 201, response.text

    for number, (name, parts) in enumerate(NAMES.items()):
        for q in (name, name.upper(), *parts):
            assert f"N{number}" in await skus(editor, q, **sort), (name, q)


async def test_words_too_long_for_an_index_are_no_fault(editor: Client) -> None:
    """Mutant: not to shorten them, of which a tsvector refuses those over 2 KiB."""
    long = {"sku": "L1", "name": "Lamp", "description": "ü" * 2500 + "x" * 2500}

    response = await editor.post("/products", json=PRODUCT | long)

    assert response.status_code == 201, response.text
    assert await skus(editor, "lamp üüü") == ["L1"]


async def test_those_of_before_are_found(
    app: FastAPI, editor: Client, settings: Settings
) -> None:
    """Mutants: to compose only new text; on SQLite, to forget the triggers."""
    body = {**PRODUCT, "sku": "S1", "name": "चाय।दूध", "category": "tea"}
    await editor.post("/products", json=body)
    await editor.post("/products", json={**body, "sku": "R1", "category": None})
    await migrate.downgrade(settings, "0009")
    async with transaction(app.state.shared.database) as session:
        rename = text("UPDATE products SET name = :name WHERE sku = 'R1'")
        await session.execute(rename, {"name": DECOMPOSED})

    await migrate.upgrade(settings)

    assert await skus(editor, "दूध") == ["S1"]
    response = await editor.get("/products", params={"q": "résumé tr"})
    [found] = response.json()["items"]
    assert found["name"] == "Résumé tray" != DECOMPOSED
    url = f"/products/{found['id']}"
    await editor.patch(url, json={"name": "Green"}, headers={"If-Match": "*"})
    assert await skus(editor, "résumé") == []
    assert await skus(editor, "green") == ["R1"]
