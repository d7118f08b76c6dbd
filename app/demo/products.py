"""Made-up products: the same seed gives the same products."""

import tomllib
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from uuid_utils.compat import uuid7

from app.db.base import utc_now
from app.db.models.product import Product
from app.db.session import Database
from app.demo.rows import Advance, add_rows, ignore
from app.services.products.search import search_columns

UNIQUE = Product.sku
WORDS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
THINGS = [
    (category, name, thing)
    for category, things in WORDS["things"].items()
    for name, thing in things.items()
]
COLOURED = frozenset(WORDS["colours"]["of"])
CENTS = [Decimal(cents) for cents in ("0.95", "0.99", "0.00", "0.50")]


async def add(
    database: Database, count: int, advance: Advance = ignore, seed: int = 0
) -> None:
    """Add the next `count` products of a seed, in one transaction."""
    make = partial(make_product, seed=seed)
    await add_rows(database, UNIQUE, make, count, advance)


def make_product(number: int, seed: int = 0) -> dict[str, Any]:
    """Make product `number` of a seed: always the same, except for its id and times."""
    choice = Random(f"product {seed} {number}")  # noqa: S311 - no secret
    category, thing, made = choice.choice(THINGS)
    style = choice.choice(WORDS["styles"][category])
    material = choice.choice(made["of"])
    look = choice.choice(WORDS["colours"]["names" if material in COLOURED else "sizes"])
    use = made["use"]
    descriptions = (
        f"A{'n' * (style[0] in 'aeiou')} {style} {thing} {use}, made of {material}.",
        f"{use[0].upper()}{use[1:]}: a {look} {material} {thing}.",
        f"Our {style} {thing} in {material}, {use}.",
    )
    cheapest, dearest = made["price"]
    price = cheapest + (dearest - cheapest) * choice.random() ** 2
    created_at = utc_now() - timedelta(seconds=choice.randrange(90 * 86_400))
    product = {
        "id": uuid7(),
        "sku": f"{category[:3].upper()}-{number:07d}",
        "name": f"{style.capitalize()} {material} {thing}, {look}",
        "description": f"{choice.choice(descriptions)} {WORDS['care'][material]}",
        "price": int(price) + choice.choices(CENTS, [4, 3, 2, 1])[0],
        "currency": "EUR",
        "stock": max(0, int(choice.gauss(40, 30))),
        "category": category,
        "status": choice.choices(["active", "draft", "archived"], [90, 6, 4])[0],
        "version": 1,
        "created_at": created_at,
        "updated_at": created_at,
    }
    return product | search_columns(product)
