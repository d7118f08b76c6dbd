"""Listing and ending sessions, and how changes to the account end them."""

import asyncio
from datetime import timedelta

import argon2
import pytest
from fastapi import FastAPI

from app.db.base import utc_now
from app.db.models.user import Role
from app.services.accounts.roles import SCOPES
from testbed.accounts import PASSWORD
from tests.support.people import Client, People
from tests.support.sessions import alter_sessions, is_logged_in, refresh


async def make_stale(app: FastAPI, client: Client) -> None:
    """Move the time of the last password check eleven minutes into the past."""
    await alter_sessions(app, client, auth_time=utc_now() - timedelta(minutes=11))
    tokens = (await refresh(client, client.tokens["refresh_token"])).json()
    client.headers["Authorization"] = f"Bearer {tokens['access_token']}"


class TestToken:
    @pytest.mark.parametrize("overrides", [{"access_token_audience": "shop"}])
    async def test_tells_other_services_the_scopes_of_the_role(
        self, app: FastAPI, people: People
    ) -> None:
        """Mutant: put every scope into each token, which other services trust."""
        verify = app.state.shared.access_tokens.verify
        user, admin = await people.sign_in(), await people.sign_in("admin")

        claims = verify(user.tokens["access_token"])
        assert (claims.scope, claims.aud) == ("account:read account:write", "shop")
        assert "users:write" in verify(admin.tokens["access_token"]).scope
        await admin.patch(f"/users/{user.user_id}", json={"role": "editor"})
        tokens = (await refresh(user, user.tokens["refresh_token"])).json()
        claims = verify(tokens["access_token"])
        assert set(claims.scope.split()) == SCOPES[Role.EDITOR]


class TestListSessions:
    async def test_shows_each_device_and_marks_the_current_one(
        self, people: People, user: Client
    ) -> None:
        other = await people.log_in(user.account, "2001:db8:1:2::3")

        answer = await user.get("/auth/sessions")

        assert answer.status_code == 200
        newest, oldest = answer.json()["items"]
        assert answer.json()["next_cursor"] is None
        assert set(newest) == {
            "id",
            "ip",
            "user_agent",
            "created_at",
            "last_seen_at",
            "expires_at",
            "current",
        }
        assert (newest["ip"], oldest["ip"]) == ("2001:db8:1::/48", "192.0.2.0/24")
        assert (newest["current"], oldest["current"]) == (False, True)
        seen_by_other = (await other.get("/auth/sessions")).json()["items"]
        assert [session["current"] for session in seen_by_other] == [True, False]

    async def test_omits_sessions_that_have_ended(
        self, app: FastAPI, people: People, user: Client
    ) -> None:
        await alter_sessions(app, user, idle_expires_at=utc_now())
        other = await people.log_in(user.account, "192.0.2.9")

        items = (await other.get("/auth/sessions")).json()["items"]

        assert [session["current"] for session in items] == [True]


class TestEndSession:
    async def test_takes_effect_at_the_next_request(
        self, people: People, user: Client, client: Client
    ) -> None:
        other = await people.log_in(user.account, "192.0.2.9")
        items = (await other.get("/auth/sessions")).json()["items"]
        [session_id] = [each["id"] for each in items if not each["current"]]

        answer = await other.delete(f"/auth/sessions/{session_id}")

        assert answer.status_code == 204
        assert not await is_logged_in(client, user.tokens["access_token"])
        assert (await refresh(client, user.tokens["refresh_token"])).status_code == 401
        assert await is_logged_in(client, other.tokens["access_token"])
        again = await other.delete(f"/auth/sessions/{session_id}")
        assert (again.status_code, again.json()["code"]) == (404, "session_not_found")

    async def test_does_not_end_a_session_of_another_user(
        self, user: Client, editor: Client, client: Client
    ) -> None:
        # Mutant: find the session without its owner.
        [session] = (await user.get("/auth/sessions")).json()["items"]

        answer = await editor.delete(f"/auth/sessions/{session['id']}")

        assert answer.status_code == 404
        assert await is_logged_in(client, user.tokens["access_token"])

    @pytest.mark.parametrize("keep", [False, True])
    async def test_keeps_the_current_session_if_asked_when_ending_all(
        self, people: People, user: Client, client: Client, *, keep: bool
    ) -> None:
        other = await people.log_in(user.account, "192.0.2.9")

        answer = await user.post("/auth/logout-all", params={"keep_current": keep})

        assert answer.status_code == 204
        assert await is_logged_in(client, user.tokens["access_token"]) == keep
        assert not await is_logged_in(client, other.tokens["access_token"])


class TestSessionLimit:
    async def test_ends_the_least_recently_used_session_beyond_twenty(
        self, app: FastAPI, people: People, user: Client, client: Client
    ) -> None:
        await alter_sessions(app, user, rotated_at=utc_now() - timedelta(days=2))
        second = await people.log_in(user.account, "192.0.2.9")
        others = [
            await people.log_in(user.account, f"192.0.2.{n}") for n in range(10, 28)
        ]
        # The first session is the oldest, but no longer the least recently used.
        await refresh(client, user.tokens["refresh_token"])

        last = await people.log_in(user.account, "192.0.2.30")

        assert not await is_logged_in(client, second.tokens["access_token"])
        assert await is_logged_in(client, user.tokens["access_token"])
        for each in (*others, last):
            assert await is_logged_in(client, each.tokens["access_token"])
        sessions = (await last.get("/auth/sessions", params={"limit": 100})).json()
        assert len(sessions["items"]) == 20

    async def test_holds_for_many_logins_at_once(
        self, people: People, user: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Mutant: do not lock the user, so that concurrent logins do not see each other.
        # The patch skips the hashes, which would spread the logins over time.
        monkeypatch.setattr(argon2.PasswordHasher, "verify", lambda *_: True)
        for n in range(16):
            await people.log_in(user.account, f"192.0.2.{n}")

        newest, *_ = await asyncio.gather(
            *(people.log_in(user.account, f"198.51.100.{n}") for n in range(8))
        )

        sessions = (await newest.get("/auth/sessions", params={"limit": 100})).json()
        assert len(sessions["items"]) == 20


class TestReauthenticate:
    async def test_replaces_the_session_and_makes_it_fresh(
        self, app: FastAPI, user: Client, client: Client
    ) -> None:
        await make_stale(app, user)
        refused = await user.post("/auth/logout-all")
        before = (await user.get("/auth/sessions")).json()["items"]

        answer = await user.post("/auth/reauthenticate", json={"password": PASSWORD})

        assert refused.status_code == 401
        assert refused.json()["code"] == "reauthentication_required"
        assert refused.headers["WWW-Authenticate"] == (
            'Bearer realm="api", error="insufficient_user_authentication", max_age=600'
        )
        assert answer.status_code == 200
        tokens = answer.json()
        assert set(tokens) == set(user.tokens)
        assert (await user.get("/users/me")).status_code == 401  # the replaced session
        user.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        after = (await user.get("/auth/sessions")).json()["items"]
        assert len(after) == 1
        assert after[0]["id"] != before[0]["id"]
        assert (await user.post("/auth/logout-all")).status_code == 204

    async def test_is_required_to_end_a_session_but_not_to_list_sessions(
        self, app: FastAPI, user: Client
    ) -> None:
        await make_stale(app, user)
        [session] = (await user.get("/auth/sessions")).json()["items"]

        answer = await user.delete(f"/auth/sessions/{session['id']}")

        assert answer.json()["code"] == "reauthentication_required"

    async def test_is_judged_by_the_session_and_not_by_the_token(
        self, app: FastAPI, user: Client
    ) -> None:
        """Mutant: trust `auth_time` of the token, which a leaked key can forge."""
        earlier = utc_now() - timedelta(minutes=11)
        await alter_sessions(app, user, auth_time=earlier)

        answer = await user.post("/auth/logout-all")

        assert answer.json()["code"] == "reauthentication_required"

    async def test_limits_and_records_wrong_passwords(
        self, user: Client, client: Client
    ) -> None:
        # Mutant: remove the limit, so that the thief of a token can guess the password.
        wrong = {"password": "not my password at all"}

        answers = [
            await user.post("/auth/reauthenticate", json=wrong) for _ in range(11)
        ]

        codes = [answer.json()["code"] for answer in answers]
        assert codes == ["invalid_credentials"] * 10 + ["rate_limited"]
        assert await is_logged_in(client, user.tokens["access_token"])
        events = (await user.get("/users/me/security-events")).json()["items"]
        names = [event["event"] for event in events]
        assert names.count("auth.reauthentication.failure") == 10

    async def test_during_a_logout_starts_no_session(
        self, people: People, client: Client
    ) -> None:
        account = await people.add()
        for _ in range(4):
            user = await people.log_in(account)
            body = {"refresh_token": user.tokens["refresh_token"]}

            answer, _ = await asyncio.gather(
                user.post("/auth/reauthenticate", json={"password": PASSWORD}),
                client.post("/auth/logout", json=body),
            )

            assert answer.status_code in {200, 401}
            assert not await is_logged_in(client, user.tokens["access_token"])


class TestDeleteAccount:
    async def test_needs_the_password_even_in_a_fresh_session(
        self, user: Client
    ) -> None:
        for body in ({}, {"password": "not my password at all"}):
            answer = await user.request("DELETE", "/users/me", json=body)
            assert answer.status_code in {401, 422}
        assert (await user.get("/users/me")).status_code == 200

        answer = await user.request("DELETE", "/users/me", json={"password": PASSWORD})

        assert answer.status_code == 204
        assert (await user.get("/users/me")).status_code == 401


class TestEffectsOfAccountChanges:
    """The change of an account and the end of its sessions are one transaction."""

    async def test_disabling_ends_every_session_and_enabling_restores_none(
        self, admin: Client, people: People, user: Client, client: Client
    ) -> None:
        # Mutant: check only `is_active`, so that enabling restores old sessions.
        other = await people.log_in(user.account, "192.0.2.9")
        path = f"/users/{user.user_id}"

        await admin.patch(path, json={"is_active": False})
        for each in (user, other):
            assert not await is_logged_in(client, each.tokens["access_token"])
        await admin.patch(path, json={"is_active": True})

        for each in (user, other):
            assert not await is_logged_in(client, each.tokens["access_token"])
            token = each.tokens["refresh_token"]
            assert (await refresh(client, token)).status_code == 401

    async def test_deleting_ends_every_session(
        self, admin: Client, user: Client, client: Client
    ) -> None:
        await admin.delete(f"/users/{user.user_id}")

        answer = await user.get("/users/me")

        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
        assert (await refresh(client, user.tokens["refresh_token"])).status_code == 401

    async def test_a_role_changes_at_the_next_request_of_the_session(
        self, admin: Client, user: Client
    ) -> None:
        # Mutant: read the role from the token.
        path = f"/users/{user.user_id}"

        before = await user.get("/users")
        await admin.patch(path, json={"role": "admin"})
        promoted = await user.get("/users")
        await admin.patch(path, json={"role": "user"})
        demoted = await user.get("/users")

        assert promoted.status_code == 200
        for answer in (before, demoted):
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")

    async def test_a_login_while_the_account_is_disabled_leaves_no_session(
        self, admin: Client, people: People, user: Client, client: Client
    ) -> None:
        # Mutant: do not lock the user, so that the new session is not revoked.
        path = f"/users/{user.user_id}"

        answer, _ = await asyncio.gather(
            client.post(
                "/auth/login", json={"email": user.email, "password": PASSWORD}
            ),
            admin.patch(path, json={"is_active": False}),
        )
        await admin.patch(path, json={"is_active": True})

        if answer.status_code == 200:
            assert not await is_logged_in(client, answer.json()["access_token"])
        else:
            assert answer.json()["code"] == "invalid_credentials"
