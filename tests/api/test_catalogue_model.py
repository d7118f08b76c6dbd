"""The catalogue against a dictionary, by whatever sequence of requests."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from decimal import Decimal
from typing import Any

from httpx2 import Response
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete

from app.core.config import Settings
from app.db.models import Product
from app.db.session import transaction
from app.main import create_application
from tests.support.people import People

Json = dict[str, Any]

SORTS: dict[str, Callable[[Json], Any]] = {
    "created_at": lambda product: datetime.fromisoformat(product["created_at"]),
    "price": lambda product: Decimal(product["price"]),
    "name": lambda product: product["name"],
}
skus = st.sampled_from([f"SKU-{number}" for number in range(6)])
fields = {
    "name": st.sampled_from(["Blue mug", "Red mug", "Blue pan", "mug"]),
    "price": st.sampled_from(["0", "9.99", "10", "10.5"]),
    "category": st.sampled_from(["kitchen", "garden"]) | st.none(),
    "status": st.sampled_from(["draft", "active"]),
    "stock": st.integers(0, 3),
}
new_products = st.fixed_dictionaries(
    {"sku": skus, "currency": st.just("EUR"), **fields}
)
changes = st.fixed_dictionaries({}, optional={"sku": skus, **fields})
filters = st.fixed_dictionaries(
    {},
    optional={
        "category": st.sampled_from(["kitchen", "garden"]),
        "status": st.sampled_from(["draft", "active"]),
        "min_price": st.just("9.99"),
        "max_price": st.just("10"),
        "in_stock": st.booleans(),
        "q": st.sampled_from(["mug", "blu", "blue mug", "%", "pan"]),
    },
)


class Catalogue(RuleBasedStateMachine):
    call: Callable[..., Response]
    empty: Callable[[], None]

    def __init__(self) -> None:
        super().__init__()
        self.products: dict[str, Json] = {}

    @initialize()
    def begin(self) -> None:
        self.empty()

    def taken(self, sku: str | None, but: str = "") -> bool:
        others = (p for id_, p in self.products.items() if id_ != but)
        return any(product["sku"] == sku for product in others)

    @rule(data=new_products)
    def create(self, data: Json) -> None:
        response = self.call("POST", "/products", json=data)
        if self.taken(data["sku"]):
            assert response.status_code == 409
            return
        product = response.json()
        assert response.status_code == 201
        assert product["version"] == 1
        same = data | {"price": f"{Decimal(data['price']):.2f}"}
        assert {name: product[name] for name in data} == same
        self.products[product["id"]] = product

    @precondition(lambda self: self.products)
    @rule(choice=st.randoms(use_true_random=False), data=changes, stale=st.booleans())
    def change(self, choice: Any, data: Json, stale: bool) -> None:
        before = choice.choice(list(self.products.values()))
        version = before["version"] - stale
        response = self.call(
            "PATCH",
            f"/products/{before['id']}",
            json=data,
            headers={"If-Match": f'"v{version}"'},
        )
        if stale:
            assert response.status_code == 412
        elif self.taken(data.get("sku"), but=before["id"]):
            assert response.status_code == 409
        else:
            after = response.json()
            if "price" in data:
                data = data | {"price": f"{Decimal(data['price']):.2f}"}
            new = {"version": after["version"], "updated_at": after["updated_at"]}
            assert after == before | data | new
            assert after["version"] - before["version"] == (before != before | data)
            self.products[after["id"]] = after

    @precondition(lambda self: self.products)
    @rule(choice=st.randoms(use_true_random=False), delta=st.sampled_from([-2, -1, 1]))
    def move_stock(self, choice: Any, delta: int) -> None:
        before = choice.choice(list(self.products.values()))
        body = {"delta": delta, "reason": "test"}
        response = self.call("POST", f"/products/{before['id']}/stock", json=body)
        if before["stock"] + delta < 0:
            assert response.status_code == 409
            return
        after = response.json()
        assert after["stock"] == before["stock"] + delta
        self.products[after["id"]] = after

    @precondition(lambda self: self.products)
    @rule(choice=st.randoms(use_true_random=False))
    def remove(self, choice: Any) -> None:
        id_ = choice.choice(list(self.products))
        url, headers = f"/products/{id_}", {"If-Match": "*"}
        assert self.call("DELETE", url, headers=headers).status_code == 204
        assert self.call("GET", url).status_code == 404
        del self.products[id_]

    @rule(wanted=filters, limit=st.integers(1, 3))
    def list(self, wanted: Json, limit: int) -> None:
        matching = [each for each in self.products.values() if fits(each, wanted)]
        for name, key in SORTS.items():
            matching.sort(key=lambda each: (key(each), each["id"]))
            query = wanted | {"limit": limit}
            assert self.pages(query | {"sort": name}) == matching
            assert self.pages(query | {"sort": "-" + name}) == matching[::-1]

    def pages(self, query: Json) -> Any:
        seen: Any = []
        while query.get("cursor", "") is not None:
            page = self.call("GET", "/products", params=query).json()
            seen += page["items"]
            query["cursor"] = page["next_cursor"]
            assert len(seen) <= len(self.products)
        return seen


def fits(product: Json, wanted: Json) -> bool:
    price = Decimal(product["price"])
    return (
        product["category"] == wanted.get("category", product["category"])
        and product["status"] == wanted.get("status", product["status"])
        and price >= Decimal(wanted.get("min_price", price))
        and price <= Decimal(wanted.get("max_price", price))
        and wanted.get("in_stock") in {None, product["stock"] > 0}
        and ("q" not in wanted or found(product, wanted["q"]))
    )


def found(product: Json, q: str) -> bool:
    text = " ".join(product[name] or "" for name in ("name", "sku", "category"))
    begun = text.lower().replace("-", " ").split()
    return q != "%" and all(
        any(word.startswith(part) for word in begun) for part in q.split()
    )


def test_behaves_like_a_dictionary(settings: Settings) -> None:
    """Mutant: sort by the column alone, without the id."""
    app = create_application(settings)

    async def empty() -> None:
        async with transaction(app.state.resources.database) as session:
            await session.execute(delete(Product))

    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        runner.run(stack.enter_async_context(app.router.lifespan_context(app)))
        editor = runner.run(People(app, stack).sign_in("editor"))

        class Machine(Catalogue):
            empty = staticmethod(lambda: runner.run(empty()))
            call = staticmethod(
                lambda *request, **options: runner.run(
                    editor.request(*request, **options)
                )
            )

        try:
            run_state_machine_as_test(
                Machine,
                settings=hypothesis_settings(
                    max_examples=10,
                    stateful_step_count=25,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(stack.aclose())
