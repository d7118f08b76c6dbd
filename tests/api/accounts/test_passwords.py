"""Changing a password, and resetting a forgotten one."""

import asyncio
from datetime import timedelta
from typing import Any

import argon2
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from app.db.base import utc_now
from app.db.models.one_time_token import OneTimeToken
from app.db.session import transaction
from testbed.accounts import PASSWORD
from testbed.mailbox import mailed, newest_token, read_outbox
from tests.support.people import Client, People
from tests.support.watch import watch_hashes

NEW = "seven velvet harbour lamps"
CHANGE = {"current_password": PASSWORD, "new_password": NEW}


async def is_signed_in(client: Client) -> bool:
    return (await client.get("/users/me")).status_code == 200


async def log_in(client: Client, email: str, password: str) -> int:
    credentials = {"email": email, "password": password}
    return (await client.post("/auth/login", json=credentials)).status_code


async def forget(client: Client, app: FastAPI, email: str) -> str:
    response = await client.post("/auth/password/forgot", json={"email": email})
    assert (response.status_code, response.json()) == (202, {"status": "check_email"})
    return await newest_token(app, "reset_password")


async def reset(client: Client, token: str, password: str = NEW) -> tuple[int, str]:
    response = await client.post(
        "/auth/password/reset", json={"token": token, "password": password}
    )
    return response.status_code, response.json()["code"] if response.content else ""


REFUSED = (400, "token_invalid")


class TestChangePassword:
    async def test_replaces_the_session_and_ends_the_others(
        self, people: People, app: FastAPI
    ) -> None:
        account = await people.add()
        client, other = await people.log_in(account), await people.log_in(account)

        response = await client.post("/auth/password/change", json=CHANGE)

        assert response.status_code == 200
        assert not await is_signed_in(other)
        assert not await is_signed_in(client)
        for old in (client, other):
            spent = {"refresh_token": old.tokens["refresh_token"]}
            assert (await client.post("/auth/refresh", json=spent)).status_code == 401
        client.headers["Authorization"] = f"Bearer {response.json()['access_token']}"
        assert await is_signed_in(client)
        assert await log_in(other, account.email, PASSWORD) == 401
        assert await log_in(other, account.email, NEW) == 200
        assert await mailed(app) == [("password_changed", account.email)]

    async def test_makes_mailed_links_useless(self, user: Client, app: FastAPI) -> None:
        token = await forget(user, app, user.email)

        await user.post("/auth/password/change", json=CHANGE)

        assert await reset(user, token) == REFUSED

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            (CHANGE | {"current_password": "not my password"}, 401, None),
            (CHANGE | {"new_password": PASSWORD}, 422, "password_unchanged"),
            (CHANGE | {"new_password": "short"}, 422, "password_too_short"),
            (CHANGE | {"role": "admin"}, 422, "extra_forbidden"),
        ],
    )
    async def test_refuses_invalid_input_and_changes_nothing(
        self,
        user: Client,
        app: FastAPI,
        body: dict[str, str],
        status: int,
        code: str | None,
    ) -> None:
        response = await user.post("/auth/password/change", json=body)

        assert response.status_code == status
        if code:
            assert response.json()["errors"][0]["code"] == code
        else:
            assert response.json()["code"] == "invalid_credentials"
        assert await is_signed_in(user)
        assert await mailed(app) == []

    async def test_lets_one_of_several_concurrent_changes_win(
        self, people: People
    ) -> None:
        """Mutant: lock the account without comparing its password hash again."""
        account = await people.add()
        clients = [await people.log_in(account) for _ in range(4)]

        answers = await asyncio.gather(
            *(
                client.post(
                    "/auth/password/change",
                    json=CHANGE | {"new_password": f"{NEW} {number}"},
                )
                for number, client in enumerate(clients)
            )
        )

        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]

    async def test_limits_password_guesses_with_a_stolen_token(
        self, user: Client
    ) -> None:
        wrong = CHANGE | {"current_password": "not my password"}
        statuses = [
            (await user.post("/auth/password/change", json=wrong)).status_code
            for _ in range(11)
        ]

        assert statuses == [401] * 10 + [429]

    async def test_hashes_the_new_password_only_if_the_current_one_is_right(
        self, user: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Mutant: hash the new password first, so that a refusal costs two hashes."""
        watch = watch_hashes(monkeypatch)
        wrong = CHANGE | {"current_password": "not my password"}

        for _ in range(11):
            await user.post("/auth/password/change", json=wrong)

        assert watch.started == 10

    async def test_hashes_nothing_for_a_weak_password(
        self, user: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Mutant: check the new password after the current one, which costs a hash."""
        watch = watch_hashes(monkeypatch)

        for _ in range(3):
            body = CHANGE | {"new_password": "short"}
            response = await user.post("/auth/password/change", json=body)
            assert response.status_code == 422

        assert watch.started == 0

    async def test_also_limits_right_passwords(
        self, user: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Mutant: do not count right passwords, each of which costs a hash."""
        monkeypatch.setattr(argon2.PasswordHasher, "verify", lambda *_: True)
        statuses = []
        for _ in range(31):
            answer = await user.post("/auth/reauthenticate", json={"password": "any"})
            statuses.append(answer.status_code)
            if answer.is_success:
                token = answer.json()["access_token"]
                user.headers["Authorization"] = f"Bearer {token}"

        assert statuses == [200] * 30 + [429]


class TestForgotPassword:
    async def test_mails_the_owner_at_the_stored_address(
        self, people: People, client: Client, app: FastAPI
    ) -> None:
        await people.add(email="Ada@example.org")

        await forget(client, app, "ADA@EXAMPLE.ORG")

        [mail] = await read_outbox(app)
        assert mail.recipient == "Ada@example.org"
        assert mail.context["link"].startswith("http://test/account/reset-password#")

    @pytest.mark.parametrize("email", ["nobody@example.org", "no address"])
    async def test_answers_the_same_for_an_unknown_address(
        self, people: People, client: Client, app: FastAPI, email: str
    ) -> None:
        account = await people.add()

        known = await client.post(
            "/auth/password/forgot", json={"email": account.email}
        )
        unknown = await client.post("/auth/password/forgot", json={"email": email})

        assert (known.status_code, known.content) == (
            unknown.status_code,
            unknown.content,
        )
        assert comparable(known.headers) == comparable(unknown.headers)
        assert [to for _, to in await mailed(app)] == [account.email, None]

    async def test_links_to_the_configured_host_and_not_to_that_of_the_request(
        self, user: Client, app: FastAPI
    ) -> None:
        await user.post(
            "/auth/password/forgot",
            json={"email": user.email},
            headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"},
        )

        [mail] = await read_outbox(app)
        assert mail.context["link"].startswith("http://test/")

    async def test_does_not_flood_a_mailbox(self, people: People, app: FastAPI) -> None:
        account = await people.add()
        for email in (account.email, "nobody@example.org"):
            clients = [await people.anonymous(f"192.0.2.{n}") for n in range(10, 14)]
            answers = [
                await client.post("/auth/password/forgot", json={"email": address})
                for client, address in zip(
                    clients, (email, email.upper()) * 2, strict=True
                )
            ]

            assert {(a.status_code, a.content) for a in answers} == {
                (202, b'{"status":"check_email"}')
            }
        assert [to for _, to in await mailed(app)] == [account.email] * 3 + [None] * 3


class TestResetPassword:
    async def test_ends_every_session_and_starts_none(
        self, people: People, client: Client, app: FastAPI
    ) -> None:
        account = await people.add(email_verified=False)
        signed_in = await people.log_in(account)
        token = await forget(client, app, account.email)

        assert await reset(client, token) == (204, "")

        assert not await is_signed_in(signed_in)
        assert await log_in(client, account.email, PASSWORD) == 401
        login = {"email": account.email, "password": NEW}
        tokens = (await client.post("/auth/login", json=login)).json()
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        me = await client.get("/users/me", headers=headers)
        assert me.json()["email_verified"] is True
        assert (await mailed(app))[-1] == ("password_changed", account.email)

    async def test_works_once(self, user: Client, app: FastAPI) -> None:
        """Mutant: redeem a token by SELECT and DELETE, without a lock."""
        token = await forget(user, app, user.email)

        answers = await asyncio.gather(
            *(reset(user, token, f"{NEW} {number}") for number in range(5))
        )

        assert sorted(answers) == [(204, ""), *[REFUSED] * 4]
        assert await reset(user, token) == REFUSED

    async def test_accepts_only_the_newest_link(
        self, user: Client, app: FastAPI
    ) -> None:
        first = await forget(user, app, user.email)
        second = await forget(user, app, user.email)

        assert await reset(user, first) == REFUSED
        assert (await reset(user, second))[0] == 204

    async def test_keeps_one_link_of_several_concurrent_requests(
        self, user: Client, app: FastAPI
    ) -> None:
        """Mutant: use DELETE and INSERT instead of the upsert, which can collide."""
        answers = await asyncio.gather(
            *(
                user.post("/auth/password/forgot", json={"email": user.email})
                for _ in range(3)
            )
        )

        assert [answer.status_code for answer in answers] == [202] * 3
        links = [mail.context["link"] for mail in await read_outbox(app)]
        results = [(await reset(user, link.partition("#")[2]))[0] for link in links]
        assert sorted(results) == [204, 400, 400]

    async def test_refuses_a_token_of_another_purpose(
        self, people: People, client: Client, app: FastAPI
    ) -> None:
        """Mutant: look a token up without its purpose."""
        account = await people.add(email_verified=False)
        token = await forget(client, app, account.email)

        for path in ("verify-email", "email/confirm"):
            response = await client.post(f"/auth/{path}", json={"token": token})
            assert response.status_code == 400
        assert (await reset(client, token))[0] == 204

    async def test_refuses_an_expired_token(self, user: Client, app: FastAPI) -> None:
        token = await forget(user, app, user.email)
        async with transaction(app.state.shared.database) as session:
            past = utc_now() - timedelta(seconds=1)
            await session.execute(update(OneTimeToken).values(expires_at=past))

        assert await reset(user, token) == REFUSED

    async def test_refuses_a_token_of_an_account_that_was_deactivated(
        self, user: Client, admin: Client, app: FastAPI
    ) -> None:
        token = await forget(user, app, user.email)
        url = f"/users/{user.user_id}"
        tag = (await admin.get(url)).headers["ETag"]
        for active in (False, True):
            response = await admin.patch(
                url, json={"is_active": active}, headers={"If-Match": tag}
            )
            assert response.status_code == 200, response.text
            tag = response.headers["ETag"]
            assert await reset(user, token) == REFUSED

    @pytest.mark.parametrize("token", ["", "app_vt_x", "é" * 500])
    async def test_refuses_text_that_is_not_a_token(
        self, client: Client, token: str
    ) -> None:
        assert (await reset(client, token))[0] == 400

    async def test_keeps_the_token_when_the_password_is_refused(
        self, user: Client, app: FastAPI
    ) -> None:
        token = await forget(user, app, user.email)

        assert await reset(user, token, "short") == (422, "password_weak")

        assert (await reset(user, token))[0] == 204

    async def test_stores_only_a_digest_of_the_token(
        self, user: Client, app: FastAPI
    ) -> None:
        token = await forget(user, app, user.email)

        async with transaction(app.state.shared.database) as session:
            [row] = (await session.execute(OneTimeToken.__table__.select())).all()
        assert token not in repr(row)
        assert len(row.token_hash) == 32


def comparable(headers: Any) -> list[tuple[str, str]]:
    return [pair for pair in headers.items() if pair[0] not in {"x-request-id", "date"}]
