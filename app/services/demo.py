"""Made-up products and users, the same ones for the same start."""

import random
import secrets
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import func, insert, select
from sqlalchemy.orm import InstrumentedAttribute
from uuid_utils.compat import uuid7

from app.db.base import utc_now
from app.db.models import Product, Role, User
from app.db.session import Database, transaction

BATCH = 1000

CATALOGUE: dict[str, tuple[int, int, str]] = {
    # category: cheapest, dearest, things
    "kitchen": (4, 90, "Mug Kettle Pan Knife Bowl Teapot Grater Whisk Tray Ladle"),
    "garden": (3, 160, "Trowel Hose Planter Rake Lantern Bench Shears Watering-can"),
    "office": (1, 240, "Notebook Stapler Lamp Chair Folder Pen Organiser Whiteboard"),
    "outdoor": (6, 320, "Tent Backpack Stove Flask Compass Hammock Headlamp Poncho"),
    "toys": (2, 75, "Puzzle Kite Blocks Train Marbles Robot Yo-yo Dollhouse"),
    "textiles": (5, 140, "Blanket Towel Cushion Curtain Rug Scarf Apron Tablecloth"),
}
MATERIALS = "Oak Steel Linen Ceramic Bamboo Copper Wool Glass Cork Enamel".split()
STYLES = "Classic Compact Nordic Striped Folding Rustic Slim Vintage Bold Plain".split()
COLOURS = "white black blue green red yellow grey coral sand teal".split()

Advance = Callable[[int], None]


def ignore(_: int) -> None:
    """Nobody watches."""


def make_product(number: int) -> dict[str, Any]:
    """Product `number`, always the same but for its id and times."""
    choice = random.Random(number)  # noqa: S311 - looks, not secrets
    category = choice.choice(list(CATALOGUE))
    cheapest, dearest, things = CATALOGUE[category]
    thing = choice.choice(things.split()).replace("-", " ")
    style, material = choice.choice(STYLES), choice.choice(MATERIALS)
    colour = choice.choice(COLOURS)
    price = cheapest + (dearest - cheapest) * choice.random() ** 2
    created_at = utc_now() - timedelta(seconds=choice.randrange(90 * 86_400))
    return {
        "id": uuid7(),
        "sku": f"{category[:3].upper()}-{number:07d}",
        "name": f"{style} {material.lower()} {thing.lower()}, {colour}",
        "description": f"A {style.lower()} {thing.lower()} of {material.lower()} "
        f"for {category}, in {colour}.",
        "price": Decimal(int(price)) + Decimal(choice.choice(["0.00", "0.50", "0.99"])),
        "currency": "EUR",
        "stock": max(0, int(choice.gauss(40, 30))),
        "category": category,
        "status": choice.choices(["active", "draft", "archived"], [90, 6, 4])[0],
        "version": 1,
        "created_at": created_at,
        "updated_at": created_at,
    }


def make_user(number: int, password_hash: str) -> dict[str, Any]:
    email = f"user{number}@example.org"
    now = utc_now()
    return {
        "id": uuid7(),
        "email": email,
        "email_canonical": email,
        "password_hash": password_hash,
        "full_name": f"Demo User {number}",
        "role": Role.USER,
        "is_active": True,
        "email_verified": True,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }


async def add_products(
    database: Database, count: int, advance: Advance = ignore
) -> None:
    """Add `count` products after those that are there, in one transaction."""
    await _add(database, Product.sku, make_product, count, advance)


async def add_users(database: Database, count: int, advance: Advance = ignore) -> None:
    """Add `count` users, all with one password that nobody knows."""
    password_hash = Argon2Hasher().hash(secrets.token_urlsafe()) if count else ""
    make = partial(make_user, password_hash=password_hash)
    await _add(database, User.email_canonical, make, count, advance)


async def _add(
    database: Database,
    unique: InstrumentedAttribute[str],
    make: Callable[[int], dict[str, Any]],
    count: int,
    advance: Advance,
) -> None:
    table = unique.class_
    async with transaction(database) as session:
        number = await session.scalar(select(func.count()).select_from(table)) or 0
        while count:
            rows = [make(number + n) for n in range(1, min(count, BATCH) + 1)]
            number += len(rows)
            # Some were deleted: later numbers than their count are taken.
            found = select(unique).where(unique.in_([row[unique.key] for row in rows]))
            taken = set(await session.scalars(found))
            rows = [row for row in rows if row[unique.key] not in taken]
            if rows:
                await session.execute(insert(table), rows)
            count -= len(rows)
            advance(len(rows))
