"""Made-up products and users: a seed's are always the same ones."""

import secrets
import tomllib
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from random import Random
from typing import Any
from unicodedata import normalize

from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import func, insert, select
from sqlalchemy.orm import InstrumentedAttribute
from uuid_utils.compat import uuid7

from app.db.base import utc_now
from app.db.models.product import Product
from app.db.models.user import Role, User
from app.db.session import Database, transaction
from app.services.products.search import search_columns

BATCH = 1000
WORDS = tomllib.loads(Path(__file__).with_name("words.toml").read_text("utf-8"))
THINGS = [
    (category, name, thing)
    for category, things in WORDS["things"].items()
    for name, thing in things.items()
]
COLOURED = frozenset(WORDS["colours"]["of"])
CENTS = [Decimal(cents) for cents in ("0.95", "0.99", "0.00", "0.50")]

Advance = Callable[[int], None]


def ignore(_: int) -> None:
    """Nobody watches."""


def make_product(number: int, seed: int = 0) -> dict[str, Any]:
    """The seed's product `number`, always the same but for its id and times."""
    choice = Random(f"product {seed} {number}")  # noqa: S311 - looks, not secrets
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


def make_user(number: int, password_hash: str, seed: int = 0) -> dict[str, Any]:
    """The seed's user `number`; a name that comes again gets a number, as they do."""
    choice = Random(f"user {seed} {number}")  # noqa: S311 - looks, not secrets
    names = shuffled_names(seed)
    turn, nth = divmod(number - 1, len(names))
    full_name = names[nth]
    email = f"{mailbox(full_name)}{turn + 1 if turn else ''}@example.org"
    created_at = utc_now() - timedelta(seconds=choice.randrange(365 * 86_400))
    return {
        "id": uuid7(),
        "email": email,
        "email_canonical": email,
        "password_hash": password_hash,
        "full_name": full_name,
        "role": Role.USER,
        "is_active": choice.random() > 0.05,
        "email_verified": choice.random() > 0.1,
        "version": 1,
        "created_at": created_at,
        "updated_at": created_at,
    }


@lru_cache(maxsize=1)
def shuffled_names(seed: int) -> list[str]:
    names = [
        f"{given} {family}"
        for people in WORDS["people"]
        for given in people["given"]
        for family in people["family"]
    ]
    Random(f"names {seed}").shuffle(names)  # noqa: S311 - looks, not secrets
    return names


def mailbox(full_name: str) -> str:
    """The name as ASCII: an accent is a character of its own in this form."""
    letters = normalize("NFKD", full_name).encode("ascii", "ignore").decode()
    return letters.lower().replace(" ", ".")


async def add_products(
    database: Database, count: int, advance: Advance = ignore, seed: int = 0
) -> None:
    """Add `count` products after those that are there, in one transaction."""
    make = partial(make_product, seed=seed)
    await _add(database, Product.sku, make, count, advance)


async def add_users(
    database: Database, count: int, advance: Advance = ignore, seed: int = 0
) -> None:
    """Add `count` users, all with one password that nobody knows."""
    password_hash = Argon2Hasher().hash(secrets.token_urlsafe()) if count else ""
    make = partial(make_user, password_hash=password_hash, seed=seed)
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
