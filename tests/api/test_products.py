"""The catalogue over HTTP."""

from itertools import product
from operator import itemgetter
from typing import Any

import pytest

from tests.support.people import Client

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
    async def test_returns_the_product_and_where_it_is(self, editor: Client) -> None:
        response = await editor.post("/products", json=MUG)

        assert response.status_code == 201
        product = response.json()
        assert {name: product[name] for name in MUG} == MUG
        assert response.headers["etag"] == '"v1"'
        again = await editor.get("http://test" + response.headers["location"])
        assert again.json() == product

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
            ("version", 7),
            ("id", "x"),
        ],
    )
    async def test_refuses_a_wrong_value(
        self, editor: Client, field: str, value: object
    ) -> None:
        response = await editor.post("/products", json={**MUG, field: value})

        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == f"#/{field}"

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

    async def test_answers_304_to_who_has_it(self, editor: Client) -> None:
        product = await add(editor)
        url = f"/products/{product['id']}"

        for tags in ('"v1"', 'W/"v1"', '"x", "v1"', "*"):
            response = await editor.get(url, headers={"If-None-Match": tags})
            assert (response.status_code, response.content) == (304, b"")
            assert response.headers["etag"] == '"v1"'
        response = await editor.get(url, headers={"If-None-Match": '"v2"'})
        assert response.status_code == 200


class TestUpdateProduct:
    async def test_changes_the_fields_sent(self, editor: Client) -> None:
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
    async def test_needs_the_version_it_was_made_for(
        self, editor: Client, method: str
    ) -> None:
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

    async def test_refuses_null_where_there_must_be_a_value(
        self, editor: Client
    ) -> None:
        product = await add(editor)

        response = await editor.patch(
            f"/products/{product['id']}",
            json={"name": None},
            headers={"If-Match": "*"},
        )

        assert response.status_code == 422

    async def test_changes_nothing_when_nothing_is_sent(self, editor: Client) -> None:
        product = await add(editor)

        response = await editor.patch(
            f"/products/{product['id']}", json={}, headers={"If-Match": "*"}
        )

        assert response.json() == product


class TestDeleteProduct:
    async def test_removes_it(self, editor: Client) -> None:
        product = await add(editor)
        url = f"/products/{product['id']}"

        response = await editor.delete(url, headers={"If-Match": '"v1"'})

        assert response.status_code == 204
        assert (await editor.get(url)).status_code == 404


class TestListProducts:
    async def test_pages_without_a_gap_or_a_repeat(self, editor: Client) -> None:
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

    async def test_filters(self, editor: Client, client: Client) -> None:
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
            "colour=red",
            "in_stock=maybe",
        ],
    )
    async def test_refuses_parameters_it_does_not_know(
        self, client: Client, query: str
    ) -> None:
        response = await client.get(f"/products?{query}")

        assert response.status_code == 422
        name = query.partition("=")[0]
        assert response.json()["errors"][0]["pointer"] == f"query/{name}"


class TestChangeStock:
    async def test_adds_and_takes(self, editor: Client) -> None:
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

    async def test_refuses_to_change_nothing(self, editor: Client) -> None:
        product = await add(editor)

        response = await editor.post(
            f"/products/{product['id']}/stock", json={"delta": 0, "reason": "none"}
        )

        assert response.status_code == 422
