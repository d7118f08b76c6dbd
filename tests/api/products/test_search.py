"""Each database indexes exactly the words that the service splits, in all scripts."""

from collections.abc import AsyncGenerator, Sequence
from decimal import Decimal
from unicodedata import category, normalize
from uuid import uuid4

import pytest
from sqlalchemy import insert, make_url, text

from app.core.config import Settings
from app.db import migrate
from app.db.models.product import Product
from app.db.session import Database, transaction
from app.services.products.search import search_columns, words
from testbed.postgres import execute
from tests.conftest import make_settings

# The first two planes of Unicode without surrogates, and a part of the plane of tags.
CODE_POINTS = (*range(1, 0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE0200))
LETTERS = {
    letter
    for letter in map(chr, CODE_POINTS)
    if normalize("NFC", letter) == letter and category(letter)[0] in "LNM"
}
INDEXED = {
    "postgresql": "SELECT sku, unnest(tsvector_to_array(search)) FROM products",
    "sqlite": "SELECT sku, term FROM temp.vocabulary JOIN products p ON p.rowid = doc",
}
VOCABULARY = """
CREATE VIRTUAL TABLE temp.vocabulary
USING fts5vocab(main, products_search, 'instance')
"""
IN_C = "TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'"


@pytest.fixture
async def database(settings: Settings) -> AsyncGenerator[Database]:
    database = Database(settings)
    yield database
    await database.close()


async def index(database: Database, texts: Sequence[str]) -> list[set[str]]:
    """Save a product with each text. Return the words that the database indexes."""
    products = [
        {"sku": str(n), "name": "x", "category": None, "description": each}
        for n, each in enumerate(texts)
    ]
    common = {"price": Decimal(1), "currency": "EUR", "stock": 0, "status": "active"}
    rows = [{**product, **common, **search_columns(product)} for product in products]
    name = database.writer.dialect.name
    indexed: list[set[str]] = [set() for _ in texts]
    async with transaction(database) as session:
        await session.execute(insert(Product), rows)
        if name == "sqlite":
            await session.execute(text(VOCABULARY))
        for sku, word in await session.execute(text(INDEXED[name])):
            indexed[int(sku)].add(word)
    titles = ({"x", "^x", sku, "^" + sku} for sku in map(str, range(len(texts))))
    return [each - title for each, title in zip(indexed, titles, strict=True)]


async def test_the_database_indexes_the_words_unchanged(database: Database) -> None:
    """Mutants: use the tokenizer unicode61; use to_tsvector; use another title mark."""
    names = [f"aa{chr(point)}bb" for point in CODE_POINTS]
    texts = [" ".join(names[n : n + 800]) for n in range(0, len(names), 800)]

    indexed = await index(database, texts)

    assert indexed == [set(words(each)) for each in texts]
    assert len(set().union(*indexed)) > 100_000


async def test_the_locale_of_the_database_does_not_matter(postgres_url: str) -> None:
    """Mutant: use lower() of the database, which knows only ASCII in the locale C."""
    name = f"test_{uuid4().hex}"
    await execute(postgres_url, f"CREATE DATABASE {name} {IN_C}")
    url = make_url(postgres_url).set(database=name)
    settings = make_settings(database_url=url.render_as_string(hide_password=False))
    try:
        await migrate.upgrade(settings)
        async with Database(settings) as database:
            [indexed] = await index(database, ["KÄSE हिन्दी किताब"])
    finally:
        await execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")

    assert indexed == {"käse", "हिन्दी", "किताब"}


def test_case_does_not_matter() -> None:
    """Mutant: use lower(), which does not fold the final sigma and the micro sign.

    The test leaves out two Turkish letters, because their case depends on the language.
    """
    cases = {(a, b) for a in LETTERS - {*"ıİ"} for b in (a.upper(), a.lower())}

    assert {(a, b) for a, b in cases if words(a) != words(b)} == set()
    assert ("ς", "Σ") in cases
