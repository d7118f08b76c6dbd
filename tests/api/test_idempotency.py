"""Requests sent again."""

from asyncio import gather
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import Response
from sqlalchemy import func, select, update

from app.db.base import utc_now
from app.db.models import IdempotencyKey, Product
from app.db.session import transaction
from tests.support.people import Client, People

MUG = {"sku": "MUG-1", "name": "Blue mug", "price": "12.50", "currency": "EUR"}


async def post(
    client: Client, key: str, body: Mapping[str, Any] = MUG, url: str = "/products"
) -> Response:
    return await client.post(url, json=body, headers={"Idempotency-Key": key})


async def count(app: FastAPI, model: type = Product) -> int:
    async with transaction(app.state.resources.database) as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


class TestReplay:
    async def test_is_the_first_answer(self, app: FastAPI, editor: Client) -> None:
        """Mutant: ignore the header; store after the commit."""
        first = await post(editor, "k-1")
        again = await post(editor, '"k-1"', dict(reversed(MUG.items())))

        assert (first.status_code, again.status_code) == (201, 201)
        assert again.content == first.content
        for header in ("location", "etag", "content-type"):
            assert again.headers[header] == first.headers[header]
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        assert await count(app) == 1

    async def test_of_a_stock_change_moves_nothing(self, editor: Client) -> None:
        product = (await post(editor, "create")).json()
        url = f"/products/{product['id']}/stock"
        change = {"delta": 5, "reason": "delivery"}

        answers = [await post(editor, "stock", change, url) for _ in range(3)]

        assert {answer.json()["stock"] for answer in answers} == {5}
        moves = await editor.get(f"/products/{product['id']}/movements")
        assert len(moves.json()["items"]) == 1

    async def test_of_an_account(self, admin: Client) -> None:
        account = {"email": "new@example.org", "password": "a quiet orange typewriter"}

        first = await post(admin, "k", account, "/users")
        again = await post(admin, "k", account, "/users")

        assert (first.status_code, again.status_code) == (201, 201)
        assert again.content == first.content

    async def test_of_a_refusal_that_will_not_change(self, editor: Client) -> None:
        wrong = {**MUG, "price": "x"}

        first, again = [await post(editor, "k", wrong) for _ in range(2)]
        mended = await post(editor, "k")

        assert (first.status_code, again.status_code) == (422, 422)
        assert again.content == first.content
        assert mended.json()["code"] == "idempotency_key_reused"

    async def test_not_of_one_that_may(self, editor: Client) -> None:
        taken = (await editor.post("/products", json=MUG)).headers["location"]

        assert (await post(editor, "k")).json()["code"] == "sku_taken"
        await editor.delete(f"http://test{taken}", headers={"If-Match": "*"})
        response = await post(editor, "k")

        assert response.status_code == 201
        assert "idempotent-replayed" not in response.headers

    async def test_ends_after_a_day(self, app: FastAPI, editor: Client) -> None:
        await post(editor, "k")
        past = utc_now() - timedelta(seconds=1)
        async with transaction(app.state.resources.database) as session:
            await session.execute(update(IdempotencyKey).values(expires_at=past))

        response = await post(editor, "k", {**MUG, "sku": "MUG-2"})

        assert response.status_code == 201
        assert await count(app, IdempotencyKey) == 1

    async def test_is_not_for_who_lost_the_right(
        self, app: FastAPI, people: People
    ) -> None:
        """Mutant: begin the transaction before the caller is authorised."""
        account = await people.add("editor")
        editor, admin = await people.log_in(account), await people.sign_in("admin")
        await post(editor, "k")
        await admin.patch(f"/users/{account.id}", json={"role": "user"})
        fallen = await people.log_in(account)

        assert (await post(fallen, "k")).status_code == 403


class TestKey:
    async def test_belongs_to_one_user(self, people: People, app: FastAPI) -> None:
        """Mutant: leave the user out of the primary key."""
        for number in range(2):
            editor = await people.sign_in("editor")
            response = await post(editor, "k", {**MUG, "sku": f"MUG-{number}"})
            assert "idempotent-replayed" not in response.headers
        assert await count(app) == 2

    async def test_belongs_to_one_request(self, editor: Client) -> None:
        """Mutant: leave the path, or the body, out of the fingerprint."""
        first, second = [
            (await post(editor, sku, {**MUG, "sku": sku})).json()["id"] for sku in "AB"
        ]
        arrives = {"delta": 1, "reason": "delivery"}
        await post(editor, "k", arrives, f"/products/{first}/stock")

        for response in (
            await post(
                editor, "k", {**arrives, "delta": 2}, f"/products/{first}/stock"
            ),
            await post(editor, "k", arrives, f"/products/{second}/stock"),
        ):
            assert response.status_code == 422
            problem = response.json()
            assert problem["code"] == "idempotency_key_reused"
            assert problem["errors"] == [
                {
                    "pointer": "header/idempotency-key",
                    "code": "idempotency_key_reused",
                    "message": problem["detail"],
                }
            ]

    async def test_is_given_once(self, editor: Client) -> None:
        """Mutant: let the first of two count."""
        keys = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]

        response = await editor.post("/products", json=MUG, headers=keys)

        assert response.status_code == 400
        assert response.json()["code"] == "header_duplicated"

    @pytest.mark.parametrize("key", ["", '""', "a b", '"a', "a" * 256, 'a"b'])
    async def test_must_be_one(self, editor: Client, key: str) -> None:
        response = await post(editor, key)

        assert response.status_code == 400
        assert response.json()["code"] == "idempotency_key_invalid"


class TestConcurrentRequests:
    async def test_with_one_key_have_one_effect(
        self, app: FastAPI, editor: Client, backend: str
    ) -> None:
        """Mutant: look the key up without the lock."""
        answers = await gather(*(post(editor, "k") for _ in range(50)))

        statuses = Counter(answer.status_code for answer in answers)
        made = {answer.content for answer in answers if answer.status_code == 201}
        assert set(statuses) <= ({201} if backend == "sqlite" else {201, 409})
        assert len(made) == 1
        for answer in answers:
            if answer.status_code == 409:
                assert answer.json()["code"] == "idempotency_key_in_use"
                assert answer.headers["retry-after"] == "1"
        assert await count(app) == 1
