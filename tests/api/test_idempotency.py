"""Requests sent again."""

import json
from asyncio import gather
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from httpx2 import Response
from sqlalchemy import func, select

from app.core.config import Settings
from app.db.models.idempotency_key import IdempotencyKey
from app.db.models.product import Product
from app.db.session import transaction
from app.services.idempotency import OnceOnly
from tests.api.test_signing_keys import SECRETS, Restarts
from tests.support.people import Client, People

MUG = {"sku": "MUG-1", "name": "Blue mug", "price": "12.50", "currency": "EUR"}
ACCOUNT = {"email": "new@example.org", "password": "a quiet orange typewriter"}
NDJSON = {"Content-Type": "application/x-ndjson"}


async def post(
    client: Client, key: str, body: Mapping[str, Any] = MUG, url: str = "/products"
) -> Response:
    return await client.post(url, json=body, headers={"Idempotency-Key": key})


async def count(app: FastAPI, model: type = Product) -> int:
    async with transaction(app.state.shared.database) as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


async def let_pass(app: FastAPI, time: timedelta) -> None:
    async with transaction(app.state.shared.database) as session:
        key = (await session.scalars(select(IdempotencyKey))).one()
        key.created_at -= time
        key.expires_at -= time


def assert_replayed(first: Response, again: Response) -> None:
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for header in ("location", "etag", "content-type"):
        assert again.headers.get(header) == first.headers.get(header)
    assert again.headers["idempotent-replayed"] == "true"


class TestReplay:
    async def test_is_the_first_answer(self, app: FastAPI, editor: Client) -> None:
        """Mutant: ignore the header; a fingerprint of the bytes."""
        first = await post(editor, "k-1")
        again = await post(editor, '"k-1"', dict(reversed(MUG.items())))

        assert (first.status_code, again.status_code) == (201, 201)
        assert "idempotent-replayed" not in first.headers
        assert_replayed(first, again)
        assert await count(app) == 1

    @pytest.mark.parametrize(
        ("url", "body", "status", "tagged", "located"),
        [
            ("/products", MUG | {"sku": "MUG-2"}, 201, True, True),
            ("/users", ACCOUNT, 201, True, True),
            ("/products/{id}/stock", {"delta": 5, "reason": "found"}, 200, True, False),
            ("/products/import", MUG, 200, False, False),
        ],
    )
    async def test_has_its_bytes_and_headers(
        self,
        admin: Client,
        url: str,
        body: dict[str, Any],
        status: int,
        tagged: bool,
        located: bool,
    ) -> None:
        """Mutant: leave one of them out of what is stored."""
        product = (await admin.post("/products", json=MUG)).json()
        kind = "x-ndjson" if url.endswith("import") else "json"
        headers = {"Content-Type": f"application/{kind}", "Idempotency-Key": "k"}
        url, content = url.format(**product), json.dumps(body)

        first, again = [
            await admin.post(url, content=content, headers=headers) for _ in range(2)
        ]

        assert first.status_code == status
        assert ("etag" in first.headers, "location" in first.headers) == (
            tagged,
            located,
        )
        assert_replayed(first, again)

    async def test_of_a_stock_change_moves_nothing(self, editor: Client) -> None:
        product = (await post(editor, "create")).json()
        url = f"/products/{product['id']}/stock"
        change = {"delta": 5, "reason": "delivery"}

        answers = [await post(editor, "stock", change, url) for _ in range(3)]

        assert {answer.json()["stock"] for answer in answers} == {5}
        moves = await editor.get(f"/products/{product['id']}/movements")
        assert len(moves.json()["items"]) == 1

    @pytest.mark.parametrize(
        ("url", "body", "status"),
        [
            ("/products", {**MUG, "price": "x"}, 422),
            (f"/products/{UUID(int=1)}/stock", {"delta": 1, "reason": "found"}, 404),
        ],
    )
    async def test_of_a_refusal_that_will_not_change(
        self, editor: Client, url: str, body: dict[str, Any], status: int
    ) -> None:
        """Its `request_id` tells it from another one. Mutant: store one of the two."""
        first, again = [await post(editor, "k", body, url) for _ in range(2)]
        mended = await post(editor, "k")

        assert first.status_code == status
        assert_replayed(first, again)
        assert mended.json()["code"] == "idempotency_key_reused"

    async def test_not_of_one_that_may(self, editor: Client) -> None:
        taken = (await editor.post("/products", json=MUG)).headers["location"]

        assert (await post(editor, "k")).json()["code"] == "sku_taken"
        await editor.delete(f"http://test{taken}", headers={"If-Match": "*"})
        response = await post(editor, "k")

        assert response.status_code == 201
        assert "idempotent-replayed" not in response.headers

    async def test_not_of_a_large_one(self, app: FastAPI, editor: Client) -> None:
        """Mutant: no limit to what is stored."""
        wrong = {f"{number}{'é' * 500}": 1 for number in range(40)}

        first, again = [await post(editor, "k", wrong) for _ in range(2)]

        assert len(first.content) > 64 * 1024
        assert (first.status_code, again.status_code) == (422, 422)
        assert "idempotent-replayed" not in again.headers
        assert await count(app, IdempotencyKey) == 0

    async def test_ends_after_a_day(self, app: FastAPI, editor: Client) -> None:
        """Mutant: another time, such as an hour."""
        first = await post(editor, "k")

        await let_pass(app, timedelta(hours=23, minutes=55))
        assert_replayed(first, await post(editor, "k"))
        await let_pass(app, timedelta(minutes=5))
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

    async def test_is_not_for_who_is_deleted_meanwhile(
        self, app: FastAPI, editor: Client, admin: Client
    ) -> None:
        """Mutants: store the answer after the commit; let the foreign key be a 500."""

        async def body() -> AsyncGenerator[bytes]:
            """Read when the editor has been let in, and before the transaction."""
            await admin.delete(f"/users/{editor.user_id}")
            yield json.dumps(MUG).encode()

        headers = NDJSON | {"Idempotency-Key": "k"}
        response = await editor.post(
            "/products/import", content=body(), headers=headers
        )

        assert response.status_code == 401
        assert response.json()["code"] == "invalid_token"
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert await count(app) == 0

    async def test_outlives_a_change_of_the_secret(self, settings: Settings) -> None:
        """Mutant: a hash without the secret; match with the current secret alone."""
        first, second = SECRETS
        async with AsyncExitStack() as stack:
            restarts = Restarts(settings, stack)
            before = await restarts.start(secret_key=first)
            account = await before.add("editor")
            made = await post(await before.log_in(account), "k")

            after = await restarts.start(secret_key=second, secret_key_previous=first)
            again = await post(await after.log_in(account), "k")
            forgotten = await restarts.start(secret_key=second)
            unknown = await post(await forgotten.log_in(account), "k")

        assert_replayed(made, again)
        assert unknown.json()["code"] == "idempotency_key_reused"


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

    async def test_belongs_to_one_media_type(self, editor: Client) -> None:
        """Mutants: leave it out of the fingerprint; put its parameters in."""
        url, content, key = (
            "/products/import",
            json.dumps(MUG),
            {"Idempotency-Key": "k"},
        )
        first = await editor.post(url, content=content, headers=NDJSON | key)

        with_charset = {"Content-Type": "application/X-NDJSON ; charset=utf-8"}
        again = await editor.post(url, content=content, headers=with_charset | key)
        as_csv = {"Content-Type": "text/csv"}
        other = await editor.post(url, content=content, headers=as_csv | key)

        assert_replayed(first, again)
        assert other.status_code == 422
        assert other.json()["code"] == "idempotency_key_reused"

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
    @pytest.mark.parametrize("backend", ["postgresql"])
    async def test_are_refused_rather_than_kept_waiting(
        self, app: FastAPI, editor: Client
    ) -> None:
        """Mutants: wait for the lock; look the key up without it."""
        async with transaction(app.state.shared.database) as session:
            await OnceOnly(session, UUID(editor.user_id), "k").claim()
            refused = await post(editor, "k")
        made = await post(editor, "k")

        assert refused.status_code == 409
        assert refused.json()["code"] == "idempotency_key_in_use"
        assert refused.headers["retry-after"] == "1"
        assert made.status_code == 201

    async def test_with_one_key_have_one_effect(
        self, app: FastAPI, editor: Client, backend: str
    ) -> None:
        """Mutant: do not look the key up."""
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
