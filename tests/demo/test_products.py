"""Made-up products."""

import re
from statistics import mean

import pytest

from app.demo.products import THINGS, WORDS, make_product
from app.schemas.product import ProductCreate
from tests.demo.rows import lasting


class TestProducts:
    def test_are_the_same_for_the_same_seed(self) -> None:
        """Mutants: use `Random` without a seed; use only the number as the seed."""
        first = [lasting(make_product(number)) for number in range(1, 51)]
        again = [lasting(make_product(number, seed=0)) for number in range(1, 51)]
        others = [lasting(make_product(number, seed=1)) for number in range(1, 51)]

        assert first == again
        assert all(one != other for one, other in zip(first, others, strict=True))

    def test_are_valid_and_readable(self) -> None:
        """Mutants: write `a everyday`; write `rainy sundays`; give no care advice."""
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

    def test_are_mostly_cheap_with_prices_as_in_shops(self) -> None:
        """Mutant: distribute the prices evenly."""
        products = [make_product(number) for number in range(1, 2001)]
        prices = [product["price"] for product in products]
        ranges = [made["price"] for _, _, made in THINGS]

        assert {str(price)[-3:] for price in prices} == {".95", ".99", ".00", ".50"}
        assert float(mean(prices)) < 0.85 * mean(map(mean, ranges))

    def test_of_setup_are_enough_for_the_tour(self) -> None:
        """The README reads a page of two kitchen products with a price up to 50."""
        found = [
            product
            for product in map(make_product, range(1, 51))
            if (product["category"], product["status"]) == ("kitchen", "active")
            and product["price"] <= 50
        ]

        assert len(found) >= 2

    @pytest.mark.parametrize("category", WORDS["things"])
    def test_have_words_for_every_material(self, category: str) -> None:
        for thing in WORDS["things"][category].values():
            cheapest, dearest = thing["price"]

            assert 0 < cheapest < dearest
            assert set(thing["of"]) <= set(WORDS["care"])
        assert WORDS["styles"][category]
