"""Refresh tokens: rotation, reuse, forgery, logout and expiry."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from fastapi import FastAPI

from app.core.tokens.refresh import RefreshTokens
from app.db.base import utc_now
from tests.support.people import Client, People
from tests.support.sessions import (
    alter_sessions,
    is_logged_in,
    only_session,
    refresh,
)

STRICT = {"refresh_leeway_seconds": 0}
NO_REFRESH_TOKENS = ("", " ", "x", "x" * 4096)


async def assert_dead(client: Client, user: Client, *tokens: str) -> None:
    for token in tokens:
        assert (await refresh(client, token)).status_code == 401
    assert not await is_logged_in(client, user.tokens["access_token"])


class TestFirstRefresh:
    async def test_returns_new_tokens_for_the_same_session(
        self, app: FastAPI, client: Client, user: Client
    ) -> None:
        first = user.tokens

        second = (await refresh(client, first["refresh_token"])).json()

        assert set(second) == set(first)
        assert second["refresh_token"] != first["refresh_token"]
        assert second["access_token"] != first["access_token"]
        assert await is_logged_in(client, second["access_token"])
        assert (await only_session(app, user)).generation == 1


@pytest.mark.parametrize("overrides", [{}, STRICT])
class TestConcurrentRefreshes:
    async def test_all_return_the_same_successor(
        self, app: FastAPI, people: People, user: Client, client: Client
    ) -> None:
        # Mutants: rotate without comparing the generation; without a leeway, ignore
        # that the requests arrived before the rotation.
        clients = [await people.anonymous(f"192.0.2.{n}") for n in range(50)]
        token = user.tokens["refresh_token"]

        answers = await asyncio.gather(*(refresh(each, token) for each in clients))

        assert [answer.status_code for answer in answers] == [200] * 50
        assert len({answer.json()["refresh_token"] for answer in answers}) == 1
        assert len({answer.json()["access_token"] for answer in answers}) == 50
        assert (await only_session(app, user)).generation == 1
        successor = answers[0].json()["refresh_token"]
        assert (await refresh(client, successor)).status_code == 200


class TestReuse:
    async def test_within_the_leeway_returns_the_same_successor(
        self, app: FastAPI, client: Client, user: Client, admin: Client
    ) -> None:
        token = user.tokens["refresh_token"]
        first = (await refresh(client, token)).json()
        before = await only_session(app, user)

        again = await refresh(client, token)

        assert again.status_code == 200
        assert again.json()["refresh_token"] == first["refresh_token"]
        after = await only_session(app, user)
        # Mutant: change `rotated_at` at a replay, so that the leeway never ends.
        assert (after.generation, after.rotated_at) == (1, before.rotated_at)
        query = {"subject_id": user.user_id, "event": "auth.refresh.replayed_in_leeway"}
        events = (await admin.get("/audit-events", params=query)).json()["items"]
        assert len(events) == 1

    async def test_after_the_leeway_ends_the_session(
        self, app: FastAPI, client: Client, user: Client
    ) -> None:
        token = user.tokens["refresh_token"]
        successor = (await refresh(client, token)).json()["refresh_token"]
        await alter_sessions(app, user, rotated_at=utc_now() - timedelta(seconds=10.5))

        answer = await refresh(client, token)

        assert answer.status_code == 401
        assert answer.json()["code"] == "refresh_token_invalid"
        # Mutant: roll the revocation back together with the refused request.
        await assert_dead(client, user, successor)
        assert (await only_session(app, user)).revoked_reason == "reuse"

    async def test_after_the_successor_was_used_ends_the_session(
        self, client: Client, user: Client
    ) -> None:
        # Mutant: within the leeway, check only the time and not the generation.
        first = user.tokens["refresh_token"]
        second = (await refresh(client, first)).json()["refresh_token"]
        third = (await refresh(client, second)).json()["refresh_token"]

        assert (await refresh(client, first)).status_code == 401

        await assert_dead(client, user, first, second, third)

    @pytest.mark.parametrize("overrides", [STRICT])
    async def test_without_leeway_ends_the_session_at_once(
        self, client: Client, user: Client
    ) -> None:
        token = user.tokens["refresh_token"]
        successor = (await refresh(client, token)).json()["refresh_token"]

        assert (await refresh(client, token)).status_code == 401

        await assert_dead(client, user, successor)

    async def test_by_a_thief_ends_the_session_for_thief_and_owner(
        self, client: Client, people: People, user: Client
    ) -> None:
        thief = await people.anonymous("198.51.100.7")
        token = user.tokens["refresh_token"]
        stolen, own = await asyncio.gather(
            refresh(thief, token), refresh(client, token)
        )
        assert stolen.json()["refresh_token"] == own.json()["refresh_token"]
        shared = own.json()["refresh_token"]
        latest = (await refresh(client, shared)).json()["refresh_token"]
        await refresh(client, latest)

        assert (await refresh(thief, shared)).status_code == 401

        await assert_dead(client, user, latest)


class TestForgedToken:
    async def test_does_not_end_the_session(
        self, app: FastAPI, client: Client, user: Client
    ) -> None:
        # Mutant: compare the generation before the signature.
        token = user.tokens["refresh_token"]
        second = (await refresh(client, token)).json()["refresh_token"]
        await refresh(client, second)
        session = await only_session(app, user)
        tokens = RefreshTokens(app.state.shared.ring)
        for salt in (b"\0" * 32, session.salt[::-1]):
            for generation in (0, 1, 2, 3, 2**32 - 1):
                forged = tokens.issue(session.id, generation, salt)
                assert (await refresh(client, forged)).status_code == 401
        for nonsense in ("", "x", token[:-1], token[:-1] + "!", "app_rt_" + "0" * 58):
            answer = await refresh(client, nonsense)
            assert answer.status_code in {401, 422}

        assert await is_logged_in(client, user.tokens["access_token"])
        assert (await only_session(app, user)).revoked_at is None

    async def test_does_not_log_the_owner_out(
        self, app: FastAPI, client: Client, user: Client
    ) -> None:
        session = await only_session(app, user)
        forged = RefreshTokens(app.state.shared.ring).issue(session.id, 0, b"\0" * 32)

        answer = await client.post("/auth/logout", json={"refresh_token": forged})

        assert answer.status_code == 204
        assert await is_logged_in(client, user.tokens["access_token"])

    async def test_of_an_unknown_session_is_refused(
        self, app: FastAPI, client: Client, user: Client
    ) -> None:
        session = await only_session(app, user)
        token = RefreshTokens(app.state.shared.ring).issue(uuid4(), 0, session.salt)

        assert (await refresh(client, token)).status_code == 401


class TestTokenNewerThanItsSession:
    async def test_ends_the_session_because_a_backup_may_have_been_restored(
        self, app: FastAPI, client: Client, user: Client
    ) -> None:
        session = await only_session(app, user)
        tokens = RefreshTokens(app.state.shared.ring)
        ahead = tokens.issue(session.id, session.generation + 2, session.salt)

        assert (await refresh(client, ahead)).status_code == 401

        await assert_dead(client, user, user.tokens["refresh_token"])
        assert (await only_session(app, user)).revoked_reason == "ahead"


class TestLogout:
    async def test_during_a_refresh_leaves_no_valid_token(
        self, people: People, client: Client
    ) -> None:
        # Mutant: rotate without checking again whether the session was revoked.
        account = await people.add()
        other = await people.anonymous("192.0.2.2")
        for _ in range(8):
            user = await people.log_in(account)
            token = user.tokens["refresh_token"]

            _, raced = await asyncio.gather(
                other.post("/auth/logout", json={"refresh_token": token}),
                refresh(client, token),
            )

            assert raced.status_code in {200, 401}
            survivors = [token]
            if raced.status_code == 200:
                survivors.append(raced.json()["refresh_token"])
                assert not await is_logged_in(client, raced.json()["access_token"])
            await assert_dead(client, user, *survivors)

    async def test_answers_the_same_for_every_token(
        self, client: Client, user: Client
    ) -> None:
        token = user.tokens["refresh_token"]
        for text in (token, token, *NO_REFRESH_TOKENS, user.tokens["access_token"]):
            answer = await client.post("/auth/logout", json={"refresh_token": text})
            assert (answer.status_code, answer.content) == (204, b"")

    @pytest.mark.parametrize("body", [None, {}])
    async def test_without_a_refresh_token_ends_the_session_of_the_access_token(
        self, client: Client, user: Client, body: dict[str, str] | None
    ) -> None:
        """Mutant: answer 204 to an access token without ending its session."""
        for caller in (user, user, client):  # at the second call the session has ended
            answer = await caller.post("/auth/logout", json=body)
            assert (answer.status_code, answer.content) == (204, b"")
        await assert_dead(client, user, user.tokens["refresh_token"])

    async def test_ignores_the_access_token_if_there_is_a_refresh_token(
        self, client: Client, user: Client
    ) -> None:
        body = {"refresh_token": "app_rt_x"}
        assert (await user.post("/auth/logout", json=body)).status_code == 204
        assert await is_logged_in(client, user.tokens["access_token"])


class TestSessionLifetime:
    @pytest.mark.parametrize("column", ["idle_expires_at", "expires_at"])
    async def test_ends_when_idle_and_at_the_maximum_age(
        self, app: FastAPI, client: Client, user: Client, column: str
    ) -> None:
        await alter_sessions(app, user, **{column: utc_now()})

        await assert_dead(client, user, user.tokens["refresh_token"])

    async def test_grows_with_use_but_not_beyond_the_maximum_age(
        self, app: FastAPI, client: Client, user: Client
    ) -> None:
        now = utc_now()
        await alter_sessions(
            app,
            user,
            idle_expires_at=now + timedelta(hours=1),
            expires_at=now + timedelta(days=3),
        )

        await refresh(client, user.tokens["refresh_token"])

        session = await only_session(app, user)
        assert session.idle_expires_at == session.expires_at == now + timedelta(days=3)


Cause = Callable[[], Awaitable[object]]


class TestRefusals:
    async def test_include_text_that_is_not_a_refresh_token(
        self, client: Client, user: Client
    ) -> None:
        """Mutant: answer 422 to text that is longer than a token."""
        for text in (*NO_REFRESH_TOKENS, user.tokens["access_token"]):
            answer = await refresh(client, text)
            assert answer.status_code == 401
            assert answer.json()["code"] == "refresh_token_invalid"

    async def test_have_the_same_body_for_every_reason(
        self, app: FastAPI, client: Client, people: People, admin: Client
    ) -> None:
        async def disabled(user: Client) -> None:
            await admin.patch(f"/users/{user.user_id}", json={"is_active": False})

        async def deleted(user: Client) -> None:
            await admin.delete(f"/users/{user.user_id}")

        async def logged_out(user: Client) -> None:
            await user.post("/auth/logout-all")

        async def expired(user: Client) -> None:
            await alter_sessions(app, user, expires_at=utc_now())

        async def reused(user: Client) -> None:
            token = (await refresh(client, user.tokens["refresh_token"])).json()
            await refresh(client, token["refresh_token"])

        bodies = set()
        for cause in (disabled, deleted, logged_out, expired, reused):
            user = await people.sign_in()
            await cause(user)
            answer = await client.post(
                "/auth/refresh",
                json={"refresh_token": user.tokens["refresh_token"]},
                headers={"X-Request-ID": "the-same-id"},
            )
            assert answer.status_code == 401
            bodies.add((answer.content, answer.headers["WWW-Authenticate"]))

        assert len(bodies) == 1
