"""What a caller with an API key can do, and when the key is refused."""

import asyncio
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from app.api.authentication import authorize_fresh
from app.api.authorization import api_routes, required_scopes
from app.api.routes import depends_on
from app.core.tokens import api_key
from app.db.base import utc_now
from app.db.models.user import User
from app.db.session import transaction
from app.services.accounts.roles import ADMIN_SCOPES
from testbed.accounts import PASSWORD
from testbed.mailbox import newest_token
from tests.api.api_keys.conftest import (
    Program,
    alter_key,
    make_key,
    recorded,
    status,
)
from tests.api.test_authorization import call
from tests.support.people import Client, People
from tests.support.sessions import end_sessions_during
from tests.support.watch import watch_statements

EVERY_SCOPE = sorted({*ADMIN_SCOPES} - {"account:write"})


class TestScopes:
    async def test_are_those_that_both_the_key_and_the_current_role_have(
        self, people: People, admin: Client, program: Program
    ) -> None:
        """Mutants: use only the scopes of the role, or only those of the key."""
        owner = await people.sign_in("admin")
        reader = await program(owner, "account:read")
        auditor = await program(owner, "audit:read", "account:read")

        before = [
            (await each.get("/audit-events")).status_code for each in (reader, auditor)
        ]
        await admin.patch(f"/users/{owner.user_id}", json={"role": "user"})
        after = await auditor.get("/audit-events")

        assert before == [403, 200]
        assert after.status_code == 403
        assert await status(auditor) == 200

    async def test_never_change_the_account_or_what_needs_a_login(
        self, app: FastAPI, admin: Client, program: Program
    ) -> None:
        """Call all routes with a key that has every scope. No key can make a key.

        Mutants: let a key count as fresh; let a key have `account:write`.
        """
        key = await program(admin, *EVERY_SCOPE)
        closed, answers = {"GET /auth/sessions"}, {}
        for route in api_routes(app):
            for method in route.methods or ():
                operation = f"{method} {str(route.path).removeprefix('/api/v1')}"
                answers[operation] = await call(key, operation)
                is_fresh = depends_on(route.dependant, authorize_fresh)
                if is_fresh or "account:write" in required_scopes(route):
                    closed.add(operation)

        assert {"POST /api-keys", "PATCH /users/me", "POST /users"} <= closed
        assert {answers[each].status_code for each in closed} == {403}
        assert not [each for each in answers if answers[each].status_code == 500]
        assert answers["POST /users"].json()["code"] == "session_required"
        assert await status(admin) == 200


class TestRefusal:
    async def test_is_the_same_for_every_reason(
        self, app: FastAPI, people: People, admin: Client, program: Program
    ) -> None:
        """Mutants: leave out any condition of the query."""
        users = [await people.sign_in() for _ in range(7)]
        keys = [await program(each) for each in users]
        expired, revoked, disabled, deleted, reset, inactive, misspelt = keys
        elsewhere = await program(users[0], allowed_networks=["198.51.100.0/24"])
        unknown = await people.anonymous()
        unknown.headers["Authorization"] = f"Bearer {api_key.generate()}"
        forged = await people.anonymous()
        forged.headers["Authorization"] = "Bearer a.b.c"

        await alter_key(app, expired, expires_at=utc_now())
        await users[1].delete(f"/api-keys/{revoked.tokens['id']}")
        for active in (False, True):  # enabling does not restore the key
            path = f"/users/{disabled.user_id}"
            await admin.patch(path, json={"is_active": active})
        await admin.delete(f"/users/{deleted.user_id}")
        await users[4].post("/auth/password/forgot", json={"email": reset.email})
        token = await newest_token(app, "reset_password")
        await users[4].post(
            "/auth/password/reset", json={"token": token, "password": "a" + PASSWORD}
        )
        async with transaction(app.state.shared.database) as session:
            row = await session.get_one(User, UUID(inactive.user_id))
            row.is_active = False
        misspelt.headers["Authorization"] += "a"

        for key in (*keys, elsewhere, unknown):
            headers = {"X-Request-ID": "the-same-id"}
            answer = await key.get("/users/me", headers=headers)
            other = await forged.get("/users/me", headers=headers)
            assert answer.status_code == 401
            assert answer.json()["code"] == "invalid_token"
            assert answer.content == other.content
            assert answer.headers["www-authenticate"] == (
                'Bearer realm="api", error="invalid_token"'
            )

    async def test_of_a_misspelt_key_needs_no_query(self, client: Client) -> None:
        """Mutant: ask the database about every text with the prefix."""
        right = api_key.generate()
        other = "b" if right.endswith("a") else "a"
        for guess in (right[:-1], right + "a", right[:-1] + other, "app_pat_"):
            client.headers["Authorization"] = f"Bearer {guess}"
            with watch_statements() as statements:
                assert await status(client) == 401, guess
            assert statements == []

    @pytest.mark.parametrize("overrides", [{"rate_limit_all": "3/60"}])
    async def test_counts_guesses_by_address(self, people: People) -> None:
        client = await people.anonymous("198.51.100.7")
        answers = []
        for _ in range(5):
            client.headers["Authorization"] = f"Bearer {api_key.generate()}"
            answers.append(await status(client))

        assert answers == [401, 401, 401, 429, 429]

    async def test_is_logged_without_the_key(self, client: Client) -> None:
        key = api_key.generate()
        client.headers["Authorization"] = f"Bearer {key}"

        with capture_logs() as logs:
            await status(client)

        [line] = [line for line in logs if line["event"] == "auth.token.refused"]
        assert line["reason"] == "api_key"
        assert key not in str(logs)


class TestOwnerWhoChangesThePassword:
    async def test_keeps_the_keys(self, user: Client, program: Program) -> None:
        key = await program(user)
        body = {"current_password": PASSWORD, "new_password": "a" + PASSWORD}

        await user.post("/auth/password/change", json=body)

        assert await status(key) == 200


class TestCreateWhileTheSessionEnds:
    @pytest.fixture
    def backend(self) -> str:
        return "postgresql"  # SQLite does not show that a writer waits

    async def test_makes_no_key(self, database_url: str, user: Client) -> None:
        """A thief must not keep a key when the owner resets the password.

        Mutant: do not check the session again after locking the user.
        """
        body = {"name": "A", "scopes": ["account:read"]}

        made = await end_sessions_during(
            database_url, user.post("/api-keys", json=body)
        )

        assert made.status_code == 401


@pytest.mark.parametrize(
    "overrides", [{"rate_limit_api_keys": "2/60", "rate_limit_writes": "2/60"}]
)
class TestLimits:
    async def test_count_each_key_apart_from_its_owner(
        self, user: Client, program: Program
    ) -> None:
        """Mutants: use one counter for all keys; use the counter of the owner."""
        one, other = await program(user), await program(user)

        answers = [await one.get("/users/me") for _ in range(3)]

        assert [each.status_code for each in answers] == [200, 200, 429]
        assert answers[-1].json()["violated-policies"] == ["api"]
        assert '"api";q=2;w=60' in answers[0].headers["ratelimit-policy"]
        assert (await status(other), await status(user)) == (200, 200)


class TestLastUse:
    async def test_is_written_once_a_minute(
        self, app: FastAPI, user: Client, program: Program
    ) -> None:
        """Mutants: write at every request; let several parallel requests write."""
        key = await program(user)
        await asyncio.gather(*[status(key) for _ in range(5)])

        with watch_statements() as statements:
            await status(key)
        first = (await user.get(f"/api-keys/{key.tokens['id']}")).json()
        await alter_key(app, key, last_used_at=utc_now() - timedelta(seconds=61))
        await status(key)
        second = (await user.get(f"/api-keys/{key.tokens['id']}")).json()

        assert [re.findall(r"JOIN|UPDATE", each) for each in statements] == [["JOIN"]]
        assert first["last_used_network"] == "192.0.2.0/24"
        assert first["last_used_at"] < second["last_used_at"]

    async def test_from_a_new_network_is_recorded_once(
        self, people: People, admin: Client, user: Client
    ) -> None:
        made = await make_key(user)
        for address in ("192.0.2.1", "198.51.100.1", "192.0.2.9", "198.51.100.2"):
            program = await people.anonymous(address)
            program.headers["Authorization"] = f"Bearer {made['key']}"
            await asyncio.gather(status(program), status(program))

        found = await recorded(admin, "used_first_from_network")

        assert [event["detail"]["network"] for event in found] == [
            "198.51.100.0/24",
            "192.0.2.0/24",
        ]
        assert found[0]["ip"] == "198.51.100.1"
        assert found[0]["actor_id"] == user.user_id


class TestAllowedNetworks:
    @pytest.mark.parametrize(
        ("network", "address", "expected"),
        [
            ("192.0.2.0/24", "192.0.2.255", 200),
            ("192.0.2.0/24", "192.0.3.0", 401),
            ("2001:db8::/32", "2001:db8:1::1", 200),
            ("2001:db8::/32", "192.0.2.1", 401),
        ],
    )
    async def test_admit_only_their_addresses(
        self, user: Client, program: Program, network: str, address: str, expected: int
    ) -> None:
        key = await program(user, allowed_networks=[network], address=address)

        assert await status(key) == expected


class TestRecord:
    async def test_names_the_key_in_the_log_and_in_every_event(
        self, app: FastAPI, admin: Client, user: Client, program: Program
    ) -> None:
        key = await program(user)

        with capture_logs() as logs:
            await key.get("/audit-events")

        query: dict[str, Any] = {"event": "authz.denied", "subject_id": user.user_id}
        [event] = (await admin.get("/audit-events", params=query)).json()["items"]
        assert event["session_id"] is None
        assert event["detail"] == {
            "api_key_id": key.tokens["id"],
            "scope": "audit:read",
        }
        [line] = [line for line in logs if line["event"] == "http.request"]
        assert line["api_key_id"] == key.tokens["id"]
        assert line["user_id"] == user.user_id
