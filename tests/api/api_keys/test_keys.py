"""Making, listing, rotating and revoking API keys."""

import asyncio
import re
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from httpx2 import Response

from app.core.tokens import api_key
from app.db.base import utc_now
from app.db.models.api_key import ApiKey
from app.db.models.user import User
from app.db.session import transaction
from testbed.mailbox import mailed, read_outbox
from tests.api.api_keys.conftest import Program, alter_key, make_key, recorded, status
from tests.support.people import Client, People
from tests.support.sessions import alter_sessions, is_logged_in

# The pattern for secret scanners in docs/api-keys.md.
SCANNED = re.compile(r"\bapp_(pat|rt|vt)_[0-9A-Za-z]{30,64}\b")
BODY = {"name": "Nightly import", "scopes": ["account:read"]}


async def rotate(owner: Client, program: Client, **body: int) -> Response:
    return await owner.post(f"/api-keys/{program.tokens['id']}/rotate", json=body)


async def report(finder: Client, token: str) -> Response:
    headers = {"X-Request-ID": "the-same-id"}
    return await finder.post("/auth/revoke", json={"token": token}, headers=headers)


class TestCreate:
    async def test_shows_the_secret_only_once(self, app: FastAPI, user: Client) -> None:
        body = {**BODY, "allowed_networks": ["192.0.2.0/24"]}

        answer = await user.post("/api-keys", json=body)

        made = answer.json()
        key = made.pop("key")
        assert answer.status_code == 201
        assert answer.headers["cache-control"] == "no-store"
        assert SCANNED.fullmatch(key)
        assert made["hint"] == f"{key[:12]}...{key[-4:]}"
        assert made["scopes"] == ["account:read"]
        assert made["allowed_networks"] == ["192.0.2.0/24"]
        assert (made["last_used_at"], made["last_used_network"]) == (None, None)
        lifetime = datetime.fromisoformat(made["expires_at"]) - utc_now()
        assert timedelta(days=89) < lifetime < timedelta(days=90)
        assert (await user.get(f"/api-keys/{made['id']}")).json() == made
        assert (await user.get("/api-keys")).json()["items"] == [made]
        async with transaction(app.state.shared.database) as session:
            row = await session.get_one(ApiKey, UUID(made["id"]))
        assert row.token_hash == api_key.digest(key)
        assert key not in str(vars(row))

    @pytest.mark.parametrize("overrides", [{"api_key_max_days": 30}])
    async def test_refuses_more_than_the_caller_can_give(self, user: Client) -> None:
        """Mutants: compare with the scopes of all roles; allow `account:write`."""
        cases: list[tuple[dict[str, Any], str]] = [
            ({"scopes": ["users:read"]}, "api_key_scope_refused"),
            ({"scopes": ["account:write"]}, "api_key_scope_refused"),
            ({"scopes": ["account:read", "a:b"]}, "api_key_scope_refused"),
            ({"scopes": []}, "invalid_request"),
            ({"allowed_networks": ["192.0.2.1/24"]}, "invalid_request"),
            ({"expires_in_days": 367}, "invalid_request"),
            ({"expires_in_days": 31}, "api_key_too_long"),
        ]
        for fields, expected in cases:
            answer = await user.post("/api-keys", json=BODY | fields)
            assert answer.json()["code"] == expected, fields

    async def test_needs_a_fresh_session(self, app: FastAPI, user: Client) -> None:
        await alter_sessions(app, user, auth_time=utc_now() - timedelta(minutes=11))

        answer = await user.post("/api-keys", json=BODY)

        assert answer.json()["code"] == "reauthentication_required"

    async def test_needs_the_second_factor_of_the_owner(
        self, app: FastAPI, user: Client
    ) -> None:
        """Requests with a key need no second factor, so making a key must need one.

        Mutant: demand only the password.
        """
        async with transaction(app.state.shared.database) as session:
            owner = await session.get_one(User, UUID(user.user_id))
            owner.second_factors = "any"

        answer = await user.post("/api-keys", json=BODY)

        assert answer.json()["code"] == "step_up_required"

    async def test_in_parallel_stops_at_the_maximum(
        self, app: FastAPI, user: Client
    ) -> None:
        """Mutant: count the keys without a lock on the user."""
        others = [
            ApiKey(
                user_id=UUID(user.user_id),
                name="Other",
                token_hash=bytes([number]) * 32,
                hint="",
                scope="",
                allowed_networks="",
                expires_at=utc_now() + timedelta(hours=1),
                revoked_at=utc_now() if number < 2 else None,
            )
            for number in range(50)
        ]
        async with transaction(app.state.shared.database) as session:
            session.add_all(others)

        answers = await asyncio.gather(
            *[user.post("/api-keys", json=BODY) for _ in range(20)]
        )

        codes = sorted(str(answer.json().get("code")) for answer in answers)
        assert codes == ["None"] * 2 + ["too_many_api_keys"] * 18


class TestMail:
    async def test_tells_the_owner_of_every_change_but_ends_no_session(
        self, app: FastAPI, people: People, user: Client, program: Program
    ) -> None:
        other = await people.log_in(user.account)
        key = await program(user)
        await rotate(user, key)
        await user.delete(f"/api-keys/{(await make_key(user))['id']}")

        told = [str(mail.context["change"]) for mail in await read_outbox(app)]

        assert [change.partition(":")[0] for change in told] == [
            "A new API key was made",
            f"The API key {key.tokens['hint']} was replaced by a new one",
            "A new API key was made",
            "An API key was revoked",
        ]
        assert {*await mailed(app)} == {("api_key", user.email)}
        assert await status(other) == 200


class TestKeysOfOthers:
    async def test_answer_as_if_they_did_not_exist(
        self, user: Client, editor: Client
    ) -> None:
        """Mutant: find a key without its owner."""
        theirs = (await make_key(editor))["id"]
        absent = "019a8f3e-5a70-7000-8000-000000000000"
        user.headers["X-Request-ID"] = "the-same-id"

        for method, path in [("GET", ""), ("DELETE", ""), ("POST", "/rotate")]:
            pair = [
                await user.request(method, f"/api-keys/{key}{path}", json={})
                for key in (theirs, absent)
            ]
            assert pair[0].status_code == 404
            assert pair[0].content == pair[1].content
        assert (await user.get("/api-keys")).json()["items"] == []


class TestRotate:
    async def test_ends_the_old_key_at_once(
        self, user: Client, program: Program
    ) -> None:
        old = await program(user, allowed_networks=["192.0.2.0/24"])

        new = (await rotate(user, old)).json()

        assert await status(old) == 401
        assert await is_logged_in(old, new["key"])
        kept = ("name", "scopes", "allowed_networks")
        assert [new[each] for each in kept] == [old.tokens[each] for each in kept]
        assert (await rotate(user, old)).status_code == 404

    async def test_lets_the_old_key_work_until_the_overlap_ends(
        self, app: FastAPI, user: Client, program: Program
    ) -> None:
        """Mutants: let the overlap extend the old key; never end the old key."""
        old = await program(user)
        soon = utc_now() + timedelta(minutes=1)
        await alter_key(app, old, expires_at=soon)

        await rotate(user, old, overlap_seconds=3600)
        late = (await user.get(f"/api-keys/{old.tokens['id']}")).json()["expires_at"]
        assert datetime.fromisoformat(late) == soon
        await rotate(user, old, overlap_seconds=30)
        early = (await user.get(f"/api-keys/{old.tokens['id']}")).json()["expires_at"]

        assert datetime.fromisoformat(early) < utc_now() + timedelta(seconds=30)
        assert await status(old) == 200


class TestRevoke:
    async def test_takes_effect_at_the_next_request(
        self, user: Client, program: Program
    ) -> None:
        """Mutant: cache a key that was found once."""
        key = await program(user)
        assert await status(key) == 200

        during, revoked = await asyncio.gather(
            status(key), user.delete(f"/api-keys/{key.tokens['id']}")
        )

        assert (during in {200, 401}, revoked.status_code) == (True, 204)
        assert [await status(key) for _ in range(3)] == [401] * 3
        assert (await user.delete(f"/api-keys/{key.tokens['id']}")).status_code == 404


class TestReportedLeak:
    async def test_revokes_the_key_and_tells_its_owner(
        self,
        app: FastAPI,
        admin: Client,
        user: Client,
        client: Client,
        program: Program,
    ) -> None:
        key = await program(user)
        texts = ["", "app_pat_", "x" * 4096, "app_pat_é", user.tokens["access_token"]]
        texts += [key.tokens["key"]] * 2

        answers = [await report(client, token) for token in texts]

        assert {(each.status_code, each.content) for each in answers} == {
            (200, b'{"status":"revoked"}')
        }
        assert await status(key) == 401
        assert await status(user) == 200
        [event] = await recorded(admin, "leaked")
        assert event["subject_id"] == user.user_id
        assert event["actor_type"] == "anonymous"
        assert event["detail"] == {"api_key_id": key.tokens["id"]}
        assert key.tokens["key"] not in str(event)
        assert len(await mailed(app)) == 2  # about the new key and the leak

    async def test_ends_the_session_of_a_refresh_token(
        self, user: Client, client: Client
    ) -> None:
        await report(client, user.tokens["refresh_token"])

        assert await status(user) == 401
