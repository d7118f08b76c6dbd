"""Repeated requests with an `Idempotency-Key`."""

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
from app.db.models.user import User
from app.db.session import transaction
from app.services.idempotency import OnceOnly
from tests.api.test_signing_keys import SECRETS, Restarts
from tests.notes.model import Note
from tests.support.people import Client, People

NOTE = {"title": "Groceries", "text": "Bread", "budget": "12.50"}
ACCOUNT = {"email": "new@example.org", "password": "a quiet orange typewriter"}
JSON, PLAIN = {"Content-Type": "application/json"}, {"Content-Type": "text/plain"}


async def post(
    client: Client, key: str, body: Mapping[str, Any] = NOTE, url: str = "/notes"
) -> Response:
    return await client.post(url, json=body, headers={"Idempotency-Key": key})


async def count(app: FastAPI, model: type = Note) -> int:
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
    async def test_returns_the_first_answer(self, app: FastAPI, user: Client) -> None:
        """Mutants: ignore the header; compare JSON bodies byte by byte."""
        first = await post(user, "k-1")
        again = await post(user, '"k-1"', dict(reversed(NOTE.items())))

        assert (first.status_code, again.status_code) == (201, 201)
        assert "idempotent-replayed" not in first.headers
        assert_replayed(first, again)
        assert await count(app) == 1

    @pytest.mark.parametrize(
        ("url", "body", "status", "tagged", "located"),
        [
            ("/notes", NOTE | {"title": "Books"}, 201, True, True),
            ("/users", ACCOUNT, 201, True, True),
            ("/notes/{id}/likes", {"delta": 5}, 200, True, False),
            ("/notes/upload?title=Books", NOTE, 201, False, False),
        ],
    )
    async def test_has_the_same_body_and_headers(
        self,
        admin: Client,
        url: str,
        body: dict[str, Any],
        status: int,
        tagged: bool,
        located: bool,
    ) -> None:
        """Mutant: store the answer without one of its headers."""
        note = (await admin.post("/notes", json=NOTE)).json()
        kind = PLAIN if "upload" in url else JSON
        headers = kind | {"Idempotency-Key": "k"}
        url, content = url.format(**note), json.dumps(body)

        first, again = [
            await admin.post(url, content=content, headers=headers) for _ in range(2)
        ]

        assert first.status_code == status
        assert ("etag" in first.headers, "location" in first.headers) == (
            tagged,
            located,
        )
        assert_replayed(first, again)

    async def test_does_not_repeat_the_change(self, user: Client) -> None:
        note = (await post(user, "create")).json()
        url = f"/notes/{note['id']}/likes"

        answers = [await post(user, "likes", {"delta": 5}, url) for _ in range(3)]

        assert {answer.json()["likes"] for answer in answers} == {5}
        read = await user.get(f"/notes/{note['id']}")
        assert (read.json()["likes"], read.json()["version"]) == (5, 2)

    @pytest.mark.parametrize(
        ("url", "body", "status"),
        [
            ("/notes", {**NOTE, "budget": "x"}, 422),
            (f"/notes/{UUID(int=1)}/likes", {"delta": 1}, 404),
        ],
    )
    async def test_repeats_a_refusal_that_a_retry_cannot_change(
        self, user: Client, url: str, body: dict[str, Any], status: int
    ) -> None:
        """The `request_id` in the body shows that the answer is the first one.

        Mutants: do not store 404; do not store 422.
        """
        first, again = [await post(user, "k", body, url) for _ in range(2)]
        mended = await post(user, "k")

        assert first.status_code == status
        assert_replayed(first, again)
        assert mended.json()["code"] == "idempotency_key_reused"

    async def test_does_not_repeat_a_refusal_that_a_retry_can_change(
        self, user: Client
    ) -> None:
        taken = (await user.post("/notes", json=NOTE)).headers["location"]

        assert (await post(user, "k")).json()["code"] == "title_taken"
        await user.delete(f"http://test{taken}", headers={"If-Match": "*"})
        response = await post(user, "k")

        assert response.status_code == 201
        assert "idempotent-replayed" not in response.headers

    async def test_does_not_repeat_a_large_answer(
        self, app: FastAPI, user: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Mutant: store answers of any size."""
        monkeypatch.setattr("app.services.idempotency.LARGEST", 1000)
        wrong = {f"a{number}": 1 for number in range(40)}

        first, again = [await post(user, "k", wrong) for _ in range(2)]

        assert len(first.content) > 1000
        assert (first.status_code, again.status_code) == (422, 422)
        assert "idempotent-replayed" not in again.headers
        assert await count(app, IdempotencyKey) == 0

    async def test_ends_after_24_hours(self, app: FastAPI, user: Client) -> None:
        """Mutant: keep answers for another time, such as an hour."""
        first = await post(user, "k")

        await let_pass(app, timedelta(hours=23, minutes=55))
        assert_replayed(first, await post(user, "k"))
        await let_pass(app, timedelta(minutes=5))
        response = await post(user, "k", {**NOTE, "title": "Books"})

        assert response.status_code == 201
        assert await count(app, IdempotencyKey) == 1

    async def test_is_refused_to_a_caller_who_lost_the_scope(
        self, people: People
    ) -> None:
        """Mutant: look the key up before the caller is authorised."""
        account = await people.add("admin")
        once, admin = await people.log_in(account), await people.sign_in("admin")
        await post(once, "k", ACCOUNT, "/users")
        await admin.patch(f"/users/{account.id}", json={"role": "user"})
        demoted = await people.log_in(account)

        assert (await post(demoted, "k", ACCOUNT, "/users")).status_code == 403

    async def test_is_refused_to_a_caller_deleted_during_the_request(
        self, app: FastAPI, people: People, admin: Client
    ) -> None:
        """Mutants: store the answer after the commit; answer 500 to this caller."""
        leaving = await people.sign_in("admin")

        async def body() -> AsyncGenerator[bytes]:
            """Delete the caller after the authentication, before the transaction."""
            await admin.delete(f"/users/{leaving.user_id}")
            yield json.dumps(ACCOUNT).encode()

        headers = JSON | {"Idempotency-Key": "k"}
        response = await leaving.post("/users", content=body(), headers=headers)

        assert response.status_code == 401
        assert response.json()["code"] == "invalid_token"
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert await count(app, User) == 1

    async def test_works_after_a_rotation_of_the_secret(
        self, settings: Settings
    ) -> None:
        """Mutants: hash without the secret; compare only by the current secret."""
        first, second = SECRETS
        async with AsyncExitStack() as stack:
            restarts = Restarts(settings, stack)
            before = await restarts.start(secret_key=first)
            account = await before.add()
            made = await post(await before.log_in(account), "k")

            after = await restarts.start(secret_key=second, secret_key_previous=first)
            again = await post(await after.log_in(account), "k")
            forgotten = await restarts.start(secret_key=second)
            unknown = await post(await forgotten.log_in(account), "k")

        assert_replayed(made, again)
        assert unknown.json()["code"] == "idempotency_key_reused"


class TestIdempotencyKey:
    async def test_belongs_to_one_user(self, people: People, app: FastAPI) -> None:
        """Mutant: leave the user out of the primary key."""
        for number in range(2):
            user = await people.sign_in()
            response = await post(user, "k", {**NOTE, "title": f"Note {number}"})
            assert "idempotent-replayed" not in response.headers
        assert await count(app) == 2

    async def test_belongs_to_one_request(self, user: Client) -> None:
        """Mutants: compare without the path; compare without the body."""
        first, second = [
            (await post(user, title, {**NOTE, "title": title})).json()["id"]
            for title in "AB"
        ]
        like = {"delta": 1}
        await post(user, "k", like, f"/notes/{first}/likes")

        for response in (
            await post(user, "k", {"delta": 2}, f"/notes/{first}/likes"),
            await post(user, "k", like, f"/notes/{second}/likes"),
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

    async def test_belongs_to_one_media_type(self, user: Client) -> None:
        """Mutants: compare without the media type; compare it with its parameters."""
        url, key = "/notes/upload?title=Books", {"Idempotency-Key": "k"}
        first = await user.post(url, content="Emma", headers=PLAIN | key)

        with_charset = {"Content-Type": "text/Plain ; charset=utf-8"}
        again = await user.post(url, content="Emma", headers=with_charset | key)
        as_markdown = {"Content-Type": "text/markdown"}
        other = await user.post(url, content="Emma", headers=as_markdown | key)

        assert_replayed(first, again)
        assert other.status_code == 422
        assert other.json()["code"] == "idempotency_key_reused"

    async def test_must_not_be_repeated(self, user: Client) -> None:
        """Mutant: use the first of two keys."""
        keys = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]

        response = await user.post("/notes", json=NOTE, headers=keys)

        assert response.status_code == 400
        assert response.json()["code"] == "header_duplicated"

    @pytest.mark.parametrize("key", ["", '""', "a b", '"a', "a" * 256, 'a"b'])
    async def test_must_be_well_formed(self, user: Client, key: str) -> None:
        response = await post(user, key)

        assert response.status_code == 400
        assert response.json()["code"] == "idempotency_key_invalid"


class TestConcurrentRequests:
    @pytest.mark.parametrize("backend", ["postgresql"])
    async def test_get_409_while_the_first_one_is_running(
        self, app: FastAPI, user: Client
    ) -> None:
        """Mutants: wait for the lock; take no lock."""
        async with transaction(app.state.shared.database) as session:
            await OnceOnly(session, UUID(user.user_id), "k").claim()
            refused = await post(user, "k")
        made = await post(user, "k")

        assert refused.status_code == 409
        assert refused.json()["code"] == "idempotency_key_in_use"
        assert refused.headers["retry-after"] == "1"
        assert made.status_code == 201

    async def test_with_the_same_key_have_one_effect(
        self, app: FastAPI, user: Client, backend: str
    ) -> None:
        """Mutant: do not look up whether the key has an answer."""
        answers = await gather(*(post(user, "k") for _ in range(50)))

        statuses = Counter(answer.status_code for answer in answers)
        made = {answer.content for answer in answers if answer.status_code == 201}
        assert set(statuses) <= ({201} if backend == "sqlite" else {201, 409})
        assert len(made) == 1
        for answer in answers:
            if answer.status_code == 409:
                assert answer.json()["code"] == "idempotency_key_in_use"
                assert answer.headers["retry-after"] == "1"
        assert await count(app) == 1
