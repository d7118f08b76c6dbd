"""Made-up products and users."""

import re
from statistics import mean
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import delete, func, select

from app.core.email_address import parse_email
from app.db.models.product import Product
from app.db.models.user import Role, User
from app.db.session import Database, transaction
from app.demo.products import (
    THINGS,
    WORDS,
    add_products,
    add_users,
    make_product,
    make_user,
    shuffled_names,
)
from app.schemas.product import ProductCreate

CHANCE = {"id", "created_at", "updated_at"}


def lasting(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in CHANCE}


class TestProducts:
    def test_are_the_same_for_the_same_seed(self) -> None:
        """Mutants: no seed for `Random`, the number alone for a seed."""
        first = [lasting(make_product(number)) for number in range(1, 51)]
        again = [lasting(make_product(number, seed=0)) for number in range(1, 51)]
        others = [lasting(make_product(number, seed=1)) for number in range(1, 51)]

        assert first == again
        assert all(one != other for one, other in zip(first, others, strict=True))

    def test_are_what_the_service_takes_and_people_read(self) -> None:
        """Mutants: `a everyday`, `rainy sundays`; a material without care."""
        for number in range(1, 2001):
            product = make_product(number)
            fields = ProductCreate.model_fields.keys()
            text = product["description"]

            given = {name: product[name] for name in fields}
            ProductCreate(**given | {"price": str(product["price"])})
            assert not re.search(r"\b[Aa] [aeiou]|\bAn [^aeiou]|  |\.\.", text), text
            assert re.fullmatch(r"[A-Z].*\. [A-Z].*\.", text), text
            assert "sundays" not in text
            assert "november" not in text

    def test_are_mostly_cheap_and_priced_as_in_shops(self) -> None:
        """Mutant: prices spread evenly."""
        products = [make_product(number) for number in range(1, 2001)]
        prices = [product["price"] for product in products]
        ranges = [made["price"] for _, _, made in THINGS]

        assert {str(price)[-3:] for price in prices} == {".95", ".99", ".00", ".50"}
        assert float(mean(prices)) < 0.85 * mean(map(mean, ranges))

    def test_of_a_first_start_are_enough_for_the_tour(self) -> None:
        """The README lists two active kitchen products below 50."""
        found = [
            product
            for product in map(make_product, range(1, 51))
            if (product["category"], product["status"]) == ("kitchen", "active")
            and product["price"] <= 50
        ]

        assert len(found) >= 2

    @pytest.mark.parametrize("category", WORDS["things"])
    def test_have_words_for_all_they_are_made_of(self, category: str) -> None:
        for thing in WORDS["things"][category].values():
            cheapest, dearest = thing["price"]

            assert 0 < cheapest < dearest
            assert set(thing["of"]) <= set(WORDS["care"])
        assert WORDS["styles"][category]


class TestUsers:
    def test_are_the_same_for_the_same_seed(self) -> None:
        """Mutants: no seed for `Random`, the number alone for a seed."""
        first = [lasting(make_user(number, "")) for number in range(1, 51)]
        again = [lasting(make_user(number, "", seed=0)) for number in range(1, 51)]
        others = [lasting(make_user(number, "", seed=1)) for number in range(1, 51)]

        assert first == again
        for name in ("full_name", "is_active"):
            assert [user[name] for user in first] != [user[name] for user in others]
        assert {user["role"] for user in first} == {Role.USER}
        assert {user["is_active"] for user in first} == {True, False}

    def test_have_an_address_each_and_one_that_is_like_the_name(self) -> None:
        """Mutants: an accent in the address; the same address in the next round."""
        count = 2 * len(shuffled_names(0)) + 1
        users = [make_user(number, "") for number in range(1, count + 1)]

        assert len({user["email_canonical"] for user in users}) == count
        for user in users:
            local = user["email"].partition("@")[0]
            assert parse_email(user["email"]).canonical == user["email_canonical"]
            assert re.fullmatch(r"[a-z]+\.[a-z]+[23]?", local), local
            given, family = (part.lower() for part in user["full_name"].split())
            alike = zip(f"{given}.{family}", local.rstrip("23"), strict=True)
            assert all(one == other or not one.isascii() for one, other in alike)


async def stored(database: Database) -> list[tuple[str, str]]:
    async with transaction(database) as session:
        rows = await session.execute(select(Product.sku, Product.name))
        return [(sku, name) for sku, name in rows]


class TestAdding:
    async def test_goes_on_with_the_next_ones_of_the_seed(self, app: FastAPI) -> None:
        """Mutant: forget the seed."""
        database = app.state.resources.database
        await add_products(database, 3, seed=7)
        await add_products(database, 2, seed=7)

        expected = [make_product(number, seed=7) for number in range(1, 6)]
        assert sorted(await stored(database)) == sorted(
            (product["sku"], product["name"]) for product in expected
        )

    async def test_can_be_to_what_is_left_of_others(self, app: FastAPI) -> None:
        """Mutant: number on from the count of those that are there."""
        database = app.state.resources.database
        await add_products(database, 5)
        await add_users(database, 5)
        async with transaction(database) as session:
            sku = make_product(2)["sku"]
            await session.execute(delete(Product).where(Product.sku == sku))
            email = make_user(2, "")["email"]
            await session.execute(delete(User).where(User.email == email))

        await add_products(database, 3)
        await add_users(database, 3)

        async with transaction(database) as session:
            for model in (Product, User):
                count = select(func.count()).select_from(model)
                assert await session.scalar(count) == 7
