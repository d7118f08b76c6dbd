"""Registration with a mailed link, and confirming or changing an e-mail address."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI

from testbed.accounts import PASSWORD
from testbed.mailbox import mailed, newest_token, read_outbox
from tests.api.accounts.test_passwords import comparable, is_signed_in, log_in
from tests.support.people import Client, People

VERIFIED = {"registration": "verified"}
ADA = {"email": "Ada@example.org", "password": "violet umbrella parade"}
verified = pytest.mark.parametrize("overrides", [VERIFIED])


async def use(client: Client, path: str, token: str) -> tuple[int, str]:
    response = await client.post(f"/auth/{path}", json={"token": token})
    return response.status_code, response.json()["code"] if response.content else ""


class TestRegisterOpen:
    async def test_mails_a_link_that_confirms_the_address(
        self, client: Client, app: FastAPI
    ) -> None:
        account = (await client.post("/auth/register", json=ADA)).json()
        assert account["email_verified"] is False
        assert await mailed(app) == [("verify_email", "Ada@example.org")]
        token = await newest_token(app, "verify_email")

        answers = await asyncio.gather(
            *(use(client, "verify-email", token) for _ in range(3))
        )

        assert sorted(answers) == [(204, ""), *[(400, "token_invalid")] * 2]
        tokens = (await client.post("/auth/login", json=ADA)).json()
        client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        assert (await client.get("/users/me")).json()["email_verified"] is True

    async def test_mails_nothing_for_a_refused_registration(
        self, client: Client, app: FastAPI
    ) -> None:
        """Mutant: send before the commit, so that a refused request mails, too."""
        await client.post("/auth/register", json=ADA)
        for body in (ADA, {**ADA, "password": "short"}):
            assert (await client.post("/auth/register", json=body)).status_code >= 400

        assert await mailed(app) == [("verify_email", "Ada@example.org")]


@verified
class TestRegisterVerified:
    async def test_refuses_a_login_until_the_link_is_used(
        self, client: Client, app: FastAPI
    ) -> None:
        """Mutant: let users log in whose address is not confirmed."""
        await client.post("/auth/register", json=ADA)

        refused = await client.post("/auth/login", json=ADA)
        wrong = await client.post("/auth/login", json={**ADA, "password": "wrong"})

        assert refused.status_code == wrong.status_code == 401
        assert without_id(refused.json()) == without_id(wrong.json())
        token = await newest_token(app, "verify_email")
        assert await use(client, "verify-email", token) == (204, "")
        assert await log_in(client, ADA["email"], ADA["password"]) == 200

    async def test_answers_the_same_for_a_known_address(
        self, people: People, client: Client, app: FastAPI
    ) -> None:
        owner = await people.add(email="Grace@example.org")

        unknown = await client.post("/auth/register", json=ADA)
        known = await client.post(
            "/auth/register", json={**ADA, "email": "GRACE@example.org"}
        )

        assert (unknown.status_code, unknown.json()) == (202, {"status": "check_email"})
        assert (known.status_code, known.content) == (202, unknown.content)
        assert comparable(known.headers) == comparable(unknown.headers)
        assert await mailed(app) == [
            ("verify_email", "Ada@example.org"),
            ("account_exists", owner.email),
        ]
        assert await log_in(client, owner.email, PASSWORD) == 200
        assert await log_in(client, owner.email, ADA["password"]) == 401

    async def test_creates_one_account_for_concurrent_requests(
        self, client: Client, app: FastAPI
    ) -> None:
        answers = await asyncio.gather(
            *(client.post("/auth/register", json=ADA) for _ in range(3))
        )

        assert {answer.status_code for answer in answers} == {202}
        kinds = sorted(kind for kind, _ in await mailed(app))
        assert kinds == ["verify_email"] * 3

    async def test_activates_the_password_of_the_registration_that_is_confirmed(
        self, client: Client, app: FastAPI
    ) -> None:
        """Mutant: keep the password of a stranger who registered first."""
        stranger = {**ADA, "password": "seven velvet harbour lamps"}
        await client.post("/auth/register", json=stranger)
        early = await newest_token(app, "verify_email")
        await client.post("/auth/register", json=ADA)
        own = await newest_token(app, "verify_email")

        assert await use(client, "verify-email", own) == (204, "")

        assert await log_in(client, ADA["email"], ADA["password"]) == 200
        assert await log_in(client, ADA["email"], stranger["password"]) == 401
        assert await use(client, "verify-email", early) == (400, "token_invalid")

    async def test_resends_the_link_of_the_newest_registration(
        self, client: Client, app: FastAPI
    ) -> None:
        stranger = {**ADA, "password": "seven velvet harbour lamps"}
        await client.post("/auth/register", json=stranger)
        await client.post("/auth/register", json=ADA)
        await client.post("/auth/verify-email/resend", json={"email": ADA["email"]})

        token = await newest_token(app, "verify_email")

        assert await use(client, "verify-email", token) == (204, "")
        assert await log_in(client, ADA["email"], ADA["password"]) == 200

    async def test_names_the_field_that_is_invalid(self, client: Client) -> None:
        response = await client.post("/auth/register", json={**ADA, "password": "x"})

        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == "#/password"

    async def test_a_reset_link_confirms_the_address_too(
        self, client: Client, app: FastAPI
    ) -> None:
        await client.post("/auth/register", json=ADA)
        await client.post("/auth/password/forgot", json={"email": ADA["email"]})
        token = await newest_token(app, "reset_password")

        body = {"token": token, "password": "another quiet evening"}
        assert (await client.post("/auth/password/reset", json=body)).status_code == 204

        assert await log_in(client, ADA["email"], "another quiet evening") == 200

    async def test_is_not_needed_for_an_account_that_an_administrator_creates(
        self, admin: Client, client: Client, app: FastAPI
    ) -> None:
        """Mutant: let an administrator create accounts that are not confirmed."""
        created = await admin.post("/users", json=ADA)

        assert created.json()["email_verified"] is True
        assert await mailed(app) == []
        assert await log_in(client, ADA["email"], ADA["password"]) == 200


@pytest.mark.parametrize("overrides", [{"registration": "closed"}])
class TestRegisterClosed:
    async def test_is_refused(self, client: Client, app: FastAPI) -> None:
        response = await client.post("/auth/register", json=ADA)

        assert (response.status_code, response.json()["code"]) == (
            403,
            "registration_closed",
        )
        assert await mailed(app) == []


class TestResend:
    async def test_mails_only_an_unconfirmed_address(
        self, people: People, client: Client, app: FastAPI
    ) -> None:
        waiting = await people.add(email_verified=False)
        done = await people.add()
        answers = []
        for email in (waiting.email, done.email, "nobody@example.org"):
            body = {"email": email}
            answers.append(await client.post("/auth/verify-email/resend", json=body))

        assert {(answer.status_code, answer.content) for answer in answers} == {
            (202, b'{"status":"check_email"}')
        }
        assert await mailed(app) == [
            ("verify_email", waiting.email),
            ("verify_email", None),
            ("verify_email", None),
        ]

    async def test_replaces_the_previous_link(
        self, client: Client, app: FastAPI
    ) -> None:
        await client.post("/auth/register", json=ADA)
        first = await newest_token(app, "verify_email")
        await client.post("/auth/verify-email/resend", json={"email": ADA["email"]})
        second = await newest_token(app, "verify_email")

        assert await use(client, "verify-email", first) == (400, "token_invalid")
        assert await use(client, "verify-email", second) == (204, "")


class TestChangeEmail:
    async def test_takes_effect_once_the_link_is_used(
        self, people: People, client: Client, app: FastAPI
    ) -> None:
        account = await people.add()
        signed_in, other = await people.log_in(account), await people.log_in(account)
        forgotten = {"email": account.email}
        await client.post("/auth/password/forgot", json=forgotten)
        body = {"email": "New@example.org", "password": PASSWORD}

        response = await signed_in.post("/auth/email/change", json=body)

        assert (response.status_code, response.json()) == (
            202,
            {"status": "check_email"},
        )
        assert (await signed_in.get("/users/me")).json()["email"] == account.email
        token = await newest_token(app, "change_email")
        assert await use(client, "email/confirm", token) == (204, "")
        assert not await is_signed_in(signed_in)
        assert not await is_signed_in(other)
        assert await log_in(client, account.email, PASSWORD) == 401
        assert await log_in(client, "new@example.org", PASSWORD) == 200
        assert await mailed(app) == [
            ("reset_password", account.email),
            ("change_email", "New@example.org"),
            ("email_changed", account.email),
            ("email_changed", "New@example.org"),
        ]
        stale = await newest_token(app, "reset_password")
        body = {"token": stale, "password": "another quiet evening"}
        assert (await client.post("/auth/password/reset", json=body)).status_code == 400

    async def test_reveals_a_taken_address_only_after_the_link_is_used(
        self, people: People, user: Client, client: Client, app: FastAPI
    ) -> None:
        owner = await people.add()
        answers = [
            await user.post(
                "/auth/email/change", json={"email": email, "password": PASSWORD}
            )
            for email in ("free@example.org", owner.email)
        ]

        assert {(a.status_code, a.content) for a in answers} == {
            (202, b'{"status":"check_email"}')
        }
        token = await newest_token(app, "change_email")
        assert await use(client, "email/confirm", token) == (409, "email_taken")
        assert await is_signed_in(user)

    async def test_needs_the_password(self, user: Client, app: FastAPI) -> None:
        body = {"email": "new@example.org", "password": "not my password"}

        response = await user.post("/auth/email/change", json=body)

        assert response.status_code == 401
        assert response.json()["code"] == "invalid_credentials"
        assert await read_outbox(app) == []

    @pytest.mark.parametrize(
        "email", ["no address", "a@b.co\r\nBcc: c@d.co", "\uff41dmin@example.org"]
    )
    async def test_refuses_a_malformed_address(
        self, user: Client, app: FastAPI, email: str
    ) -> None:
        body = {"email": email, "password": PASSWORD}

        response = await user.post("/auth/email/change", json=body)

        assert response.status_code == 422
        assert await read_outbox(app) == []


class TestReusedRefreshToken:
    @pytest.mark.parametrize("overrides", [{"refresh_leeway_seconds": 0}])
    async def test_is_reported_to_the_owner_by_mail(
        self, user: Client, app: FastAPI
    ) -> None:
        """Mutant: roll the queued mail back together with the refused request."""
        spent = {"refresh_token": user.tokens["refresh_token"]}
        await user.post("/auth/refresh", json=spent)

        assert (await user.post("/auth/refresh", json=spent)).status_code == 401

        assert await mailed(app) == [("session_ended", user.email)]


def without_id(problem: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in problem.items() if name != "request_id"}
