"""Creating, reading, changing, listing and searching products over HTTP."""

from asyncio import gather, sleep
from collections import Counter
from itertools import product
from operator import itemgetter
from random import random
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.db.session import transaction
from tests.support.people import Client
from tests.support.watch import watch_statements

MUG = {
    "sku": "MUG-1",
    "name": "Blue mug",
    "price": "12.50",
    "currency": "EUR",
    "stock": 10,
    "category": "kitchen",
    "status": "active",
}


async def add(editor: Client, **fields: Any) -> dict[str, Any]:
    response = await editor.post("/products", json={**MUG, **fields})
    assert response.status_code == 201, response.text
    added: dict[str, Any] = response.json()
    return added


class TestCreateProduct:
    async def test_returns_the_product_and_its_location(self, editor: Client) -> None:
        response = await editor.post("/products", json=MUG)

        assert response.status_code == 201
        product = response.json()
        assert {name: product[name] for name in MUG} == MUG
        assert response.headers["etag"] == '"v1"'
        again = await editor.get("http://test" + response.headers["location"])
        assert again.json() == product

    async def test_sets_both_times_to_the_same_instant(self, editor: Client) -> None:
        """Mutant: read the clock separately for each time."""
        for number in range(5):
            added = await add(editor, sku=f"S{number}")
            read = (await editor.get(f"/products/{added['id']}")).json()

            assert added["created_at"] == added["updated_at"] == read["updated_at"]

    async def test_refuses_a_taken_sku(self, editor: Client) -> None:
        await add(editor)

        response = await editor.post("/products", json=MUG)

        assert response.status_code == 409
        assert response.json()["code"] == "sku_taken"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("price", 12.5),
            ("price", "-1"),
            ("price", "1.234"),
            ("price", "1e3"),
            ("price", "NaN"),
            ("currency", "XXX"),
            ("currency", "eur"),
            ("stock", -1),
            ("stock", True),
            ("stock", "1"),
            ("stock", 10**30),
            ("status", "sold"),
            ("name", " "),
            ("name", 7),
            ("description", "a\x1b]0;b"),
            ("description", "a\u202eb"),
        ],
    )
    async def test_refuses_an_invalid_value(
        self, editor: Client, field: str, value: object
    ) -> None:
        response = await editor.post("/products", json={**MUG, field: value})

        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == f"#/{field}"

    @pytest.mark.parametrize(("field", "value"), [("version", 7), ("id", "x")])
    async def test_refuses_a_field_that_the_service_sets(
        self, editor: Client, field: str, value: object
    ) -> None:
        response = await editor.post("/products", json={**MUG, field: value})

        assert response.status_code == 422
        [fault] = response.json()["errors"]
        assert (fault["pointer"], fault["code"]) == ("#", "extra_forbidden")

    async def test_lists_the_first_hundred_errors(self, editor: Client) -> None:
        """Mutant: list all errors, in an answer ten times as long as the body."""
        unknown = {f"a{number}": 1 for number in range(1000)}

        response = await editor.post("/products", json=MUG | unknown)

        assert response.status_code == 422
        pointers = [error["pointer"] for error in response.json()["errors"]]
        assert pointers == ["#"] * 100

    async def test_is_for_editors(self, user: Client, client: Client) -> None:
        assert (await user.post("/products", json=MUG)).status_code == 403
        assert (await client.post("/products", json=MUG)).status_code == 401


class TestReadProduct:
    async def test_hides_drafts_from_visitors(
        self, editor: Client, user: Client, client: Client
    ) -> None:
        draft = await add(editor, status="draft")

        url = f"/products/{draft['id']}"
        assert (await editor.get(url)).status_code == 200
        for visitor in (user, client):
            response = await visitor.get(url)
            assert response.status_code == 404
            assert response.json()["code"] == "product_not_found"

    async def test_answers_304_if_the_etag_matches(self, editor: Client) -> None:
        product = await add(editor)
        url = f"/products/{product['id']}"

        for tags in ('"v1"', 'W/"v1"', '"x", "v1"', "*"):
            response = await editor.get(url, headers={"If-None-Match": tags})
            assert (response.status_code, response.content) == (304, b"")
            assert response.headers["etag"] == '"v1"'
        response = await editor.get(url, headers={"If-None-Match": '"v2"'})
        assert response.status_code == 200

    async def test_reads_every_line_of_if_none_match(self, editor: Client) -> None:
        """Mutants: read only the last line, or only the first."""
        url = f"/products/{(await add(editor))['id']}"

        for tags in (('"v1"', '"x"'), ('"x"', '"v1"')):
            lines = [("If-None-Match", tag) for tag in tags]
            assert (await editor.get(url, headers=lines)).status_code == 304


class TestUpdateProduct:
    async def test_changes_only_the_fields_of_the_body(self, editor: Client) -> None:
        product = await add(editor, description="Holds tea.")
        url = f"/products/{product['id']}"

        response = await editor.patch(
            url,
            json={"price": "9", "description": None},
            headers={"If-Match": '"v1"'},
        )

        assert response.status_code == 200
        changed = response.json()
        assert (changed["price"], changed["description"]) == ("9.00", None)
        assert (changed["name"], changed["version"]) == (product["name"], 2)
        assert response.headers["etag"] == '"v2"'
        assert changed["updated_at"] > product["updated_at"]
        assert (await editor.get(url)).json() == changed

    @pytest.mark.parametrize("method", ["PATCH", "DELETE"])
    async def test_needs_the_current_version(self, editor: Client, method: str) -> None:
        product = await add(editor)
        url = f"/products/{product['id']}"
        body: dict[str, Any] = {"json": {"price": "9"}} if method == "PATCH" else {}

        missing = await editor.request(method, url, **body)
        stale = await editor.request(
            method, url, headers={"If-Match": '"v7", W/"v1"'}, **body
        )
        broken = await editor.request(method, url, headers={"If-Match": "v1"}, **body)

        assert (missing.status_code, stale.status_code) == (428, 412)
        assert stale.headers["etag"] == '"v1"'
        assert (broken.status_code, broken.json()["code"]) == (400, "if_match_invalid")
        assert (await editor.get(url)).json() == product

    @pytest.mark.parametrize(
        ("lines", "status"),
        [
            (['"v1"', '"x"'], 200),
            (['"x"', '"v1"'], 200),
            (['"x"', '"y"'], 412),
            ([',, "v1"'], 200),
            (['"x" ,\t, "v1",'], 200),
            (["", '"v1"'], 200),
            ([""], 412),
            ([" ,, "], 412),
            (['"v1" "x"'], 400),
            (['"v1', 'x"'], 400),
            (['"x', '1", "v1"'], 400),
            (['"x"', "v1"], 400),
            (["*", "*"], 400),
            (["*", '"v1"'], 400),
        ],
    )
    async def test_reads_several_lines_of_if_match_as_one_list(
        self, editor: Client, lines: list[str], status: int
    ) -> None:
        """RFC 9110 §5.3 and §5.6.1.2.

        Mutants: read only one line; refuse empty elements.
        """
        product = await add(editor)

        response = await editor.patch(
            f"/products/{product['id']}",
            json={"price": "9"},
            headers=[("If-Match", line) for line in lines],
        )

        assert response.status_code == status

    async def test_refuses_null_in_a_required_field(self, editor: Client) -> None:
        product = await add(editor)

        response = await editor.patch(
            f"/products/{product['id']}",
            json={"name": None},
            headers={"If-Match": "*"},
        )

        assert response.status_code == 422

    async def test_changes_nothing_for_an_empty_body(self, editor: Client) -> None:
        product = await add(editor)

        response = await editor.patch(
            f"/products/{product['id']}", json={}, headers={"If-Match": "*"}
        )

        assert response.json() == product


class TestDeleteProduct:
    async def test_removes_the_product(self, editor: Client) -> None:
        product = await add(editor)
        url = f"/products/{product['id']}"

        response = await editor.delete(url, headers={"If-Match": '"v1"'})

        assert response.status_code == 204
        assert (await editor.get(url)).status_code == 404


class TestListProducts:
    async def test_pages_through_all_products_in_order(self, editor: Client) -> None:
        made = [await add(editor, sku=f"S{n}", price=f"{n % 3}") for n in range(7)]
        for field, sign in product(("created_at", "price", "name"), ("", "-")):
            made.sort(key=itemgetter(field, "id"), reverse=bool(sign))
            parameters: dict[str, Any] = {"sort": sign + field, "limit": 3}
            seen: list[str] = []
            while parameters.get("cursor", "") is not None:
                page = (await editor.get("/products", params=parameters)).json()
                seen += [item["id"] for item in page["items"]]
                parameters["cursor"] = page["next_cursor"]
            assert seen == [item["id"] for item in made]

    async def test_contains_only_the_products_that_the_filters_choose(
        self, editor: Client, client: Client
    ) -> None:
        await add(editor, sku="A", price="5", category="a")
        await add(editor, sku="B", price="10", category="b", stock=0)
        await add(editor, sku="C", price="15", category="b", status="draft")

        async def skus(who: Client, **parameters: str) -> str:
            response = await who.get("/products", params=parameters | {"sort": "price"})
            return "".join(item["sku"] for item in response.json()["items"])

        assert await skus(editor) == "ABC"
        assert await skus(client) == "AB"
        assert await skus(editor, category="b") == "BC"
        assert await skus(editor, status="draft") == "C"
        assert await skus(client, status="draft") == ""
        assert await skus(editor, min_price="10") == "BC"
        assert await skus(editor, max_price="10.00") == "AB"
        assert await skus(editor, in_stock="true", category="b") == "C"
        assert await skus(editor, in_stock="false") == "B"

    async def test_gives_each_of_many_callers_the_right_list(
        self, editor: Client, client: Client
    ) -> None:
        """Mutant: share one query among callers who ask for different lists."""
        await add(editor, sku="A", price="5")
        await add(editor, sku="C", price="15", status="draft")
        lists = [
            (editor, {}, ["C", "A"]),
            (client, {}, ["A"]),
            (editor, {"max_price": "9"}, ["A"]),
            (editor, {"limit": "1"}, ["C"]),
        ] * 8

        with watch_statements() as statements:
            answers = await gather(
                *(who.get("/products", params=query) for who, query, _ in lists)
            )

        for answer, (_, _, skus) in zip(answers, lists, strict=True):
            assert [item["sku"] for item in answer.json()["items"]] == skus
        assert sum("FROM products" in each for each in statements) < len(lists)

    async def test_refuses_a_cursor_of_another_list(self, editor: Client) -> None:
        for n in range(3):
            await add(editor, sku=f"S{n}")
        page = (await editor.get("/products", params={"limit": 1})).json()
        cursor = page["next_cursor"]

        for parameters in (
            {"cursor": cursor, "sort": "price"},
            {"cursor": cursor, "category": "kitchen"},
            {"cursor": cursor[:-1]},
            {"cursor": "x"},
            {"cursor": ""},
            {"cursor": "=" * 4},
            {"cursor": "é"},
            {"cursor": "x" * 3000},
            {"cursor": "x", "q": "%"},
        ):
            response = await editor.get("/products", params=parameters)
            assert response.status_code == 400
            assert response.json()["code"] == "cursor_invalid"

    @pytest.mark.parametrize(
        "query",
        [
            "limit=0",
            "limit=101",
            "limit=1_0",
            "limit=x",
            "min_price=x",
            "sort=id",
            "in_stock=maybe",
        ],
    )
    async def test_refuses_an_invalid_parameter(
        self, client: Client, query: str
    ) -> None:
        response = await client.get(f"/products?{query}")

        assert response.status_code == 422
        name = query.partition("=")[0]
        assert response.json()["errors"][0]["pointer"] == f"query/{name}"

    async def test_refuses_an_unknown_parameter(self, client: Client) -> None:
        response = await client.get("/products?colour=red")

        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == "query"


SEARCHES = {
    "mug": "M1 M2",
    "BLUE mu": "M1",
    "mug blue": "M1",
    "ug": "",
    "käse": "K1",
    "KÄSE": "K1",
    "kase": "",
    "brotzeit": "K1",
    "K1": "K1",
    "100": "C1",
    "100%": "C1",
    "don't": "C1",
    "don": "C1",
    "smile": "C1",
    "kitch": "M1 K1 M2",
    "example.com/a-b": "C1",
    "a_b": "C1",
    "5e": "C1",
    "5e10z": "C1",
    "dash": "C1",
    "%": "",
    "_": "",
    "\\": "",
    "'": "",
    '"': "",
    "mug'; DROP TABLE products; --": "",
    "mug | käse": "",
    "mug & !blue": "M1",
    "mug OR käse": "",
    "NOT mug": "",
    "mug NEAR/2 blue": "",
    "name:mug": "",
    "mug*": "M1 M2",
    "(mug": "M1 M2",
    "^mug": "M1 M2",
    ":*A": "C1",
    "{name} : mug": "",
    "x" * 200: "",
    "a " * 100: "C1",
}


class TestSearchProducts:
    async def skus(self, who: Client, q: str, **parameters: Any) -> list[str]:
        query = {"q": q, **parameters}
        response = await who.get("/products", params=query)
        assert response.status_code == 200, response.text
        return [product["sku"] for product in response.json()["items"]]

    async def test_finds_words_by_their_first_letters(self, searchable: Client) -> None:
        """Mutant: pass the text to the database as a query in its own language."""
        found = {q: await self.skus(searchable, q, sort="name") for q in SEARCHES}

        assert found == {q: skus.split() for q, skus in SEARCHES.items()}

    async def test_finds_the_current_words_after_updates_and_deletions(
        self, searchable: Client
    ) -> None:
        page = (await searchable.get("/products", params={"q": "blue"})).json()
        url = f"/products/{page['items'][0]['id']}"

        await searchable.patch(
            url, json={"name": "Green mug"}, headers={"If-Match": "*"}
        )
        assert await self.skus(searchable, "blue") == []
        assert await self.skus(searchable, "green") == ["M1"]
        await searchable.delete(url, headers={"If-Match": "*"})
        assert await self.skus(searchable, "green") == []

    async def test_lists_the_best_matches_first_on_every_page(
        self, editor: Client, client: Client
    ) -> None:
        for number in range(4):
            about = f"Goes with every mug, {number}."
            await add(editor, sku=f"SPOON-{number}", name="Spoon", description=about)
            await add(editor, sku=f"CUP-{number}", name="Mug", price=f"{number}")
        expected = [f"{name}-{n}" for name in ("CUP", "SPOON") for n in (3, 2, 1, 0)]

        for limit in (1, 3, 4, 5, 8, 9):
            seen: list[str] = []
            query: dict[str, Any] = {"q": "mug", "limit": limit}
            while query.get("cursor", "") is not None:
                page = (await client.get("/products", params=query)).json()
                seen += [product["sku"] for product in page["items"]]
                query["cursor"] = page["next_cursor"]
            assert seen == expected
        assert await self.skus(client, "mug", sort="price", min_price="2", limit=2) == [
            "CUP-2",
            "CUP-3",
        ]
        ranked = (await client.get("/products?q=mug&limit=1")).json()["next_cursor"]
        refused = await client.get(
            "/products", params={"q": "mug", "sort": "-created_at", "cursor": ranked}
        )
        assert refused.json()["code"] == "cursor_invalid"

    async def test_hides_drafts_from_visitors(
        self, searchable: Client, client: Client
    ) -> None:
        await add(searchable, sku="D1", name="Secret mug", status="draft")

        assert await self.skus(client, "secret") == []
        assert await self.skus(searchable, "secret") == ["D1"]

    async def test_refuses_more_than_200_characters(self, client: Client) -> None:
        response = await client.get("/products", params={"q": "x" * 201})

        assert response.status_code == 422

    @pytest.mark.parametrize("q", ["", " ", "\u3000"])
    async def test_with_an_empty_text_lists_all_products(
        self, searchable: Client, q: str
    ) -> None:
        """Mutants: refuse an empty text; sign the empty text into the cursor."""
        whole = (await searchable.get("/products")).json()
        page = (await searchable.get("/products?limit=2")).json()
        rest = await searchable.get(
            "/products", params={"q": q, "cursor": page["next_cursor"]}
        )

        assert page["items"] + rest.json()["items"] == whole["items"]

    async def test_with_only_punctuation_finds_nothing(
        self, searchable: Client
    ) -> None:
        assert await self.skus(searchable, "%") == []


@pytest.fixture
async def searchable(editor: Client) -> Client:
    await add(editor, sku="M1", name="Blue mug")
    await add(editor, sku="M2", name="Red mug", description=None)
    await add(editor, sku="K1", name="Käse", description="Für die “Brotzeit”…")
    text = "100% cotton, don't iron 😀smile… http://example.com/a-b a_b 1.5e10z —dash"
    await add(editor, sku="C1", name="Cloth", description=text, category=None)
    return editor


class TestChangeStock:
    async def test_adds_and_removes_stock(self, editor: Client) -> None:
        product = await add(editor, stock=1)
        url = f"/products/{product['id']}/stock"

        await editor.post(url, json={"delta": 4, "reason": "delivery"})
        response = await editor.post(url, json={"delta": -5, "reason": "sold"})

        assert response.status_code == 200
        assert (response.json()["stock"], response.json()["version"]) == (0, 3)
        assert response.headers["etag"] == '"v3"'

    async def test_never_goes_below_zero(self, editor: Client) -> None:
        product = await add(editor, stock=1)
        url = f"/products/{product['id']}/stock"

        response = await editor.post(url, json={"delta": -2, "reason": "sold"})

        assert response.status_code == 409
        assert response.json()["code"] == "insufficient_stock"
        assert response.json()["detail"] == "Only 1 left in stock."

    async def test_obeys_if_match(self, editor: Client) -> None:
        """RFC 9110 §13.1.1. Mutants: ignore `If-Match`; accept a stale version."""
        url = f"/products/{(await add(editor, stock=3))['id']}/stock"
        sale = {"delta": -1, "reason": "sold"}

        answers = [
            await editor.post(url, json=sale, headers={"If-Match": given})
            for given in ('"v1"', '"v1"', '"v1", "v2"', "*", "", "v4")
        ]

        assert [each.status_code for each in answers] == [200, 412, 200, 200, 412, 400]
        assert [each.headers.get("etag") for each in answers[:5]] == [
            *('"v2"', '"v2"', '"v3"', '"v4"', '"v4"')
        ]
        assert answers[2].json()["stock"] == 1
        absent = await editor.post(
            f"/products/{UUID(int=0)}/stock", json=sale, headers={"If-Match": '"v1"'}
        )
        assert absent.status_code == 404
        moves = (await editor.get(url.replace("stock", "movements"))).json()["items"]
        assert [move["stock_after"] for move in moves] == [0, 1, 2]

    async def test_accepts_one_of_several_concurrent_changes_to_a_version(
        self, editor: Client
    ) -> None:
        """Mutant: compare the version of a row that is not locked."""
        url = f"/products/{(await add(editor, stock=9))['id']}/stock"
        sale = {"delta": -1, "reason": "sold"}

        answers = await gather(
            *(
                editor.post(url, json=sale, headers={"If-Match": '"v1"'})
                for _ in range(8)
            )
        )

        statuses = Counter(answer.status_code for answer in answers)
        assert statuses == {200: 1, 412: 7}

    async def test_refuses_a_change_of_zero(self, editor: Client) -> None:
        product = await add(editor)

        response = await editor.post(
            f"/products/{product['id']}/stock", json={"delta": 0, "reason": "none"}
        )

        assert response.status_code == 422

    async def test_never_sells_more_than_the_stock_under_concurrency(
        self, editor: Client
    ) -> None:
        """Mutant: read the stock and write the new value in a second statement."""
        product = await add(editor, stock=50)
        url = f"/products/{product['id']}/stock"
        sale = {"delta": -1, "reason": "sold"}

        answers = await gather(*(editor.post(url, json=sale) for _ in range(100)))

        statuses = Counter(answer.status_code for answer in answers)
        assert statuses == {200: 50, 409: 50}
        left = await editor.get(f"/products/{product['id']}")
        assert (left.json()["stock"], left.json()["version"]) == (0, 51)


class TestConcurrentEdits:
    async def test_lose_no_update(self, editor: Client) -> None:
        """Mutant: write without comparing the version."""
        product = await add(editor, stock=0)
        url = f"/products/{product['id']}"

        async def increment(times: int) -> None:
            while times:
                read = await editor.get(url)
                response = await editor.patch(
                    url,
                    json={"stock": read.json()["stock"] + 1},
                    headers={"If-Match": read.headers["etag"]},
                )
                assert response.status_code in {200, 412}
                if response.status_code == 200:
                    times -= 1
                else:  # without a random pause, all clients would collide again
                    await sleep(random() * 0.5)  # noqa: S311

        await gather(*(increment(10) for _ in range(20)))

        assert (await editor.get(url)).json()["stock"] == 200
        page = await editor.get(f"{url}/movements", params={"limit": 100})
        assert {move["delta"] for move in page.json()["items"]} == {1}


class TestListMovements:
    async def test_shows_the_author_and_the_reason_of_each_change(
        self, editor: Client
    ) -> None:
        product = await add(editor, stock=1)
        url = f"/products/{product['id']}"
        await editor.post(f"{url}/stock", json={"delta": 4, "reason": "delivery"})
        await editor.post(f"{url}/stock", json={"delta": -9, "reason": "refused"})
        for change in ({"stock": 2}, {"price": "3"}, {"stock": 2}):
            await editor.patch(url, json=change, headers={"If-Match": "*"})

        first = (await editor.get(f"{url}/movements?limit=1")).json()
        parameters = {"limit": 1, "cursor": first["next_cursor"]}
        last = (await editor.get(f"{url}/movements", params=parameters)).json()

        moves = [
            [move[name] for name in ("delta", "stock_after", "reason", "actor_id")]
            for move in first["items"] + last["items"]
        ]
        assert moves == [
            [-3, 2, "product edited", editor.user_id],
            [4, 5, "delivery", editor.user_id],
        ]
        assert last["next_cursor"] is None

    async def test_is_for_editors(self, editor: Client, user: Client) -> None:
        product = await add(editor)

        assert (await user.get(f"/products/{product['id']}/movements")).is_error
        absent = await editor.get(f"/products/{UUID(int=0)}/movements")
        assert absent.json()["code"] == "product_not_found"

    async def test_refuses_the_cursor_of_another_product(self, editor: Client) -> None:
        urls = [f"/products/{(await add(editor, sku=sku))['id']}" for sku in "AB"]
        for url in urls * 2:
            await editor.post(f"{url}/stock", json={"delta": 1, "reason": "delivery"})
        page = (await editor.get(f"{urls[0]}/movements?limit=1")).json()

        response = await editor.get(
            f"{urls[1]}/movements", params={"cursor": page["next_cursor"]}
        )

        assert response.json()["code"] == "cursor_invalid"

    @pytest.mark.parametrize(
        "change", ["UPDATE {} SET delta = 0", "DELETE FROM {}", "TRUNCATE {}"]
    )
    async def test_cannot_be_changed_even_in_the_database(
        self, app: FastAPI, editor: Client, change: str, backend: str
    ) -> None:
        if backend == "sqlite" and change.startswith("TRUNCATE"):
            return  # SQLite has no TRUNCATE
        product = await add(editor)
        await editor.post(
            f"/products/{product['id']}/stock", json={"delta": 1, "reason": "delivery"}
        )

        with pytest.raises(DBAPIError, match="append-only"):
            async with transaction(app.state.shared.database) as session:
                await session.execute(text(change.format("stock_movements")))
