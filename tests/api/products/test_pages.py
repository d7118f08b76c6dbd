"""Products and movements that change while a client reads their pages."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI

from app.db.models.product import Product, ProductStatus, StockMovement
from tests.support.pages import (
    FIRST,
    Lists,
    Query,
    check_changing_list,
    check_list_between_writers,
    descends,
    times,
)
from tests.support.people import Client

SORTS = ("created_at", "-created_at", "price", "-price", "name", "-name")
PRODUCTS: list[Query] = [
    *({"sort": sort} for sort in SORTS),
    *({"sort": sort, "q": "mug"} for sort in SORTS),
    {"q": "mug"},
]
numbers = count()


def make_product(position: int, _: UUID) -> Product:
    number = next(numbers)
    return Product(
        **times(position),
        # A search for "mug" finds all products, but only every second one by its title.
        sku=f"{('MUG', 'POT')[number % 2]}-{number}",
        name=f"Thing {position}",
        description="A mug.",
        price=Decimal(position),
        currency="EUR",
        stock=0,
        status=ProductStatus.ACTIVE,
        title_words=("mug ^mug", "pot ^pot")[number % 2],
        description_words="a mug",
    )


def make_movement(position: int, product: UUID) -> StockMovement:
    return StockMovement(
        **times(position), product_id=product, delta=1, stock_after=1, reason="x"
    )


def in_order(rows: Iterable[Any], query: Query) -> list[str]:
    def key(row: Product) -> tuple[bool, datetime, UUID]:
        has_title = row.sku.startswith("MUG")
        return query == {"q": "mug"} and has_title, row.created_at, row.id

    return [str(row.id) for row in sorted(rows, key=key, reverse=descends(query))]


@pytest.fixture
async def lists(app: FastAPI, admin: Client) -> Lists:
    return Lists(app.state.shared.database, admin)


async def test_added_or_removed_products_do_not_repeat_or_hide_others(
    lists: Lists,
) -> None:
    """Mutants: page by OFFSET; compare without the id.

    Mutant on PostgreSQL: sort without the id.
    """
    await check_changing_list(
        lists, "/products", make_product, PRODUCTS, append_only=False, expected=in_order
    )


async def test_concurrent_writers_do_not_repeat_or_hide_products(lists: Lists) -> None:
    await check_list_between_writers(
        lists, "/products", make_product, PRODUCTS, in_order
    )


async def test_new_movements_do_not_repeat_or_hide_others(lists: Lists) -> None:
    product = make_product(FIRST, lists.id)
    product.id = lists.id  # the product of the movements below
    await lists.add([product])
    del lists.added[str(product.id)]

    path = "/products/{id}/movements"
    await check_changing_list(lists, path, make_movement, [{}], append_only=True)
