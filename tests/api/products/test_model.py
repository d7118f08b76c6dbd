"""Random sequences of requests, compared with a dictionary of products."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
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
from app.db.models.product import Product
from app.db.session import transaction
from app.main import create_application
from tests.support.people import Client, People

Json = dict[str, Any]
Movement = tuple[int, int, str]

SORTS: dict[str, Callable[[Json], Any]] = {
    "created_at": lambda product: datetime.fromisoformat(product["created_at"]),
    "price": lambda product: Decimal(product["price"]),
    "name": lambda product: product["name"],
}
skus = st.sampled_from([f"SKU-{number}" for number in range(6)])
names = st.sampled_from(["Blue mug", "Red mug", "Blue pan", "mug"])
prices = st.sampled_from(["0", "9.99", "10", "10.5"])
fields = {
    "name": names,
    "price": prices,
    "category": st.sampled_from(["kitchen", "garden"]) | st.none(),
    "status": st.sampled_from(["draft", "active"]),
    "stock": st.integers(0, 3),
}
new_products = st.fixed_dictionaries(
    {"sku": skus, "currency": st.just("EUR"), **fields}
)
orders = st.sampled_from([sign + name for name in SORTS for sign in ("", "-")])
new_rows = st.fixed_dictionaries(
    {"sku": skus, "currency": st.just("EUR"), "name": names, "price": prices},
    optional={name: fields[name] for name in ("category", "status", "stock")},
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
    visit: Callable[..., Response]  # sends no token
    empty: Callable[[], None]

    def __init__(self) -> None:
        super().__init__()
        self.products: dict[str, Json] = {}
        self.movements: defaultdict[str, list[Movement]] = defaultdict(list)

    @initialize()
    def begin(self) -> None:
        self.empty()

    def taken(self, sku: str | None, but: str = "") -> bool:
        others = (p for id_, p in self.products.items() if id_ != but)
        return any(product["sku"] == sku for product in others)

    def changed(self, after: Json, reason: str) -> None:
        stock, before = after["stock"], self.products[after["id"]]["stock"]
        if stock != before:
            self.movements[after["id"]].append((stock - before, stock, reason))
        self.products[after["id"]] = after
        logged = self.pages({"limit": 2}, path=f"/products/{after['id']}/movements")
        parts = itemgetter("delta", "stock_after", "reason")
        assert [parts(each) for each in logged] == self.movements[after["id"]][::-1]

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
            self.changed(after, "product edited")

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
        self.changed(after, "test")

    @rule(rows=st.lists(new_rows, max_size=3, unique_by=itemgetter("sku")))
    def import_rows(self, rows: Any) -> None:
        known = {each["sku"]: each for each in self.products.values()}
        content = "\n".join(map(json.dumps, rows))
        headers = {"Content-Type": "application/x-ndjson"}
        report = self.call("POST", "/products/import", content=content, headers=headers)
        updated = sum(row["sku"] in known for row in rows)
        counts = {"created": len(rows) - updated, "updated": updated}
        assert report.json() == counts | {"failed": 0, "errors": []}
        stored = {each["sku"]: each for each in self.pages({})}
        for row in rows:
            after = stored[row["sku"]]
            made = {name: after[name] for name in ("id", "created_at")}
            made |= {"version": 0, "description": None, "category": None}
            made |= {"stock": 0, "status": "draft"}
            before = known.get(row["sku"], made)
            said = {name: value for name, value in row.items() if value is not None}
            said["price"] = f"{Decimal(row['price']):.2f}"
            new = {"version": before["version"] + 1, "updated_at": after["updated_at"]}
            assert after == before | said | new
            self.products.setdefault(after["id"], after)  # if new, without a movement
            self.changed(after, "import")

    @precondition(lambda self: self.products)
    @rule(choice=st.randoms(use_true_random=False))
    def look(self, choice: Any) -> None:
        product = choice.choice(list(self.products.values()))
        url = f"/products/{product['id']}"
        assert self.call("GET", url).json() == product
        visible = product["status"] == "active"
        assert self.visit("GET", url).status_code == (200 if visible else 404)

    @precondition(lambda self: self.products)
    @rule(choice=st.randoms(use_true_random=False))
    def remove(self, choice: Any) -> None:
        id_ = choice.choice(list(self.products))
        url, headers = f"/products/{id_}", {"If-Match": "*"}
        assert self.call("DELETE", url, headers=headers).status_code == 204
        assert self.call("GET", url).status_code == 404
        del self.products[id_]

    @rule(wanted=filters, limit=st.integers(1, 3), sort=orders)
    def list(self, wanted: Json, limit: int, sort: str) -> None:
        matching = [each for each in self.products.values() if fits(each, wanted)]
        for name in SORTS:
            for order in (name, "-" + name):
                query = wanted | {"limit": limit, "sort": order}
                assert self.pages(query) == in_order(matching, order)
        visible = [each for each in matching if each["status"] == "active"]
        query = wanted | {"limit": limit, "sort": sort}
        assert self.pages(query, self.visit) == in_order(visible, sort)

    @precondition(lambda self: self.products)
    @rule(choice=st.randoms(use_true_random=False), data=new_products, sort=orders)
    def change_between_pages(self, choice: Any, data: Json, sort: str) -> None:
        before = dict(self.products)

        def change() -> None:
            self.create(data)
            self.remove(choice)

        seen = self.pages({"limit": 1, "sort": sort}, between=change)
        stayed = [before[id_] for id_ in before if id_ in self.products]
        assert [each for each in seen if each in stayed] == in_order(stayed, sort)

    def pages(
        self,
        query: Json,
        ask: Callable[..., Response] | None = None,
        path: str = "/products",
        between: Callable[[], None] | None = None,
    ) -> Any:
        """Read all pages. Call `between` after the first page."""
        seen: Any = []
        while query.get("cursor", "") is not None:
            page = (ask or self.call)("GET", path, params=query).json()
            seen += page["items"]
            assert len({each["id"] for each in seen}) == len(seen)
            if between and "cursor" not in query:
                between()
            query = query | {"cursor": page["next_cursor"]}
        return seen


def in_order(products: Iterable[Json], sort: str) -> list[Json]:
    value = SORTS[sort.removeprefix("-")]
    return sorted(
        products,
        key=lambda each: (value(each), each["id"]),
        reverse=sort.startswith("-"),
    )


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
    """Mutants: page by OFFSET; import without movements; show drafts to visitors."""
    app = create_application(settings)

    async def empty() -> None:
        async with transaction(app.state.shared.database) as session:
            await session.execute(delete(Product))

    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        runner.run(stack.enter_async_context(app.router.lifespan_context(app)))
        people = People(app, stack)
        editor = runner.run(people.sign_in("editor"))
        visitor = runner.run(people.anonymous())

        def asking(client: Client) -> Any:
            return staticmethod(
                lambda *request, **options: runner.run(
                    client.request(*request, **options)
                )
            )

        class Machine(Catalogue):
            empty = staticmethod(lambda: runner.run(empty()))
            call, visit = asking(editor), asking(visitor)

        try:
            run_state_machine_as_test(
                Machine,
                settings=hypothesis_settings(
                    max_examples=20,
                    stateful_step_count=25,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(stack.aclose())
