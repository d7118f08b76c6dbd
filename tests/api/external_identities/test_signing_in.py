"""Sign-in with a provider: which account it opens, and when it makes a new one."""

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from app.db.models.audit_event import AuditEvent
from app.db.models.external_identity import ExternalIdentity, ExternalSignIn
from app.db.models.user import User
from app.db.session import transaction
from testbed.accounts import PASSWORD
from testbed.mailbox import mailed
from tests.api.external_identities.browser import (
    ADA,
    PROVIDER,
    authorize,
    begin,
    consented,
    finish,
    sign_in,
)
from tests.api.external_identities.provider import Provider
from tests.support.people import Client, People
from tests.support.sessions import is_logged_in


async def count(app: FastAPI, model: type[Any]) -> int:
    async with transaction(app.state.shared.database) as session:
        return int(await session.scalar(select(func.count()).select_from(model)) or 0)


async def reasons(app: FastAPI) -> list[str]:
    """Return the reasons of the failures in the audit trail, the oldest first."""
    failures = select(AuditEvent.detail).where(AuditEvent.outcome == "failure")
    async with transaction(app.state.shared.database) as session:
        found = await session.scalars(failures.order_by(AuditEvent.id))
        return [detail["reason"] for detail in found]


class TestStart:
    async def test_sends_the_browser_to_the_provider_with_a_fresh_challenge(
        self, client: Client, provider: Provider
    ) -> None:
        """Mutants: send no PKCE challenge, nonce or state; use them twice."""
        first, second = [await begin(client) for _ in range(2)]

        urls = [urlsplit(each["authorization_url"]) for each in (first, second)]
        one, two = [parse_qs(url.query) for url in urls]
        assert urls[0].netloc == urlsplit(provider.url).netloc
        assert one["redirect_uri"] == [f"http://test/account/sign-in/{PROVIDER}"]
        assert one["scope"] == ["openid email profile"]
        assert one["code_challenge_method"] == ["S256"]
        for name in ("state", "nonce", "code_challenge"):
            assert len(one[name][0]) == 43
            assert one[name] != two[name]
        assert first["transaction"] not in str(one)
        assert first["expires_in"] == 600

    async def test_with_an_unknown_provider_is_a_404(self, client: Client) -> None:
        answer = await client.post("/auth/providers/unknown/start")

        assert answer.status_code == 404
        assert answer.json()["code"] == "provider_not_found"

    async def test_lists_the_providers(self, client: Client) -> None:
        answer = await client.get("/auth/providers")

        assert answer.json() == {
            "items": [
                {"name": "acme", "title": "Acme"},
                {"name": "other", "title": "Other"},
                {"name": "wary", "title": "Wary"},
            ]
        }


@pytest.mark.parametrize("entries", [[]])
class TestWithoutProviders:
    async def test_no_sign_in_can_begin(self, client: Client, user: Client) -> None:
        assert (await client.get("/auth/providers")).json() == {"items": []}
        for caller, kind in ((client, "providers"), (user, "identities")):
            answer = await caller.post(f"/auth/{kind}/{PROVIDER}/start")
            assert answer.status_code == 404
        page = await client.get(f"http://test/account/sign-in/{PROVIDER}")
        assert page.status_code == 404


class TestNewAccount:
    async def test_is_made_for_an_address_that_the_provider_has_verified(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        answer = await sign_in(client, provider, name="Ada Lovelace")

        me = (await authorize(client, answer).get("/users/me")).json()
        assert me["email"] == ADA["email"]
        assert me["full_name"] == "Ada Lovelace"
        assert me["role"] == "user"
        assert me["email_verified"] is True
        assert await mailed(app) == [("sign_in_changed", ADA["email"])]

    async def test_has_no_password_that_works(
        self, client: Client, provider: Provider
    ) -> None:
        await sign_in(client, provider)

        answer = await client.post(
            "/auth/login", json={"email": ADA["email"], "password": PASSWORD}
        )

        assert answer.json()["code"] == "invalid_credentials"

    async def test_is_found_again_at_the_next_sign_in(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        """The subject identifies the person. The address can change."""
        await sign_in(client, provider)

        answer = await sign_in(client, provider, email="new@example.org")

        assert answer.status_code == 200
        assert await count(app, User) == 1
        listed = await authorize(client, answer).get("/auth/identities")
        [identity] = listed.json()["items"]
        assert identity["email"] == "new@example.org"
        assert identity["last_used_at"] > identity["created_at"]
        me = (await client.get("/users/me")).json()
        assert me["email"] == ADA["email"]

    async def test_is_made_once_by_sign_ins_at_the_same_moment(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        """Mutant: do not search again, so that some of them get a 409 or a 500."""
        bodies = [await consented(client, provider) for _ in range(4)]

        answers = await asyncio.gather(*(finish(client, body) for body in bodies))

        assert [each.status_code for each in answers] == [200] * 4
        assert await count(app, User) == 1
        assert await count(app, ExternalIdentity) == 1

    @pytest.mark.parametrize("more", [{"registration": "closed"}])
    async def test_is_not_made_if_registration_is_closed(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        answer = await sign_in(client, provider)

        assert answer.json()["code"] == "identity_unknown"
        assert await count(app, User) == 0
        assert await reasons(app) == ["registration is closed"]

    async def test_ignores_a_name_that_cannot_be_shown(
        self, client: Client, provider: Provider
    ) -> None:
        answer = await sign_in(client, provider, name="Ada\x1b[2J\nLovelace")

        me = (await authorize(client, answer).get("/users/me")).json()
        assert me["full_name"] is None


class TestAccountOfTheSameAddress:
    async def test_is_linked_if_both_sides_have_verified_the_address(
        self, app: FastAPI, client: Client, people: People, provider: Provider
    ) -> None:
        owner = await people.sign_in(email="Ada@Example.org")

        answer = await sign_in(client, provider)

        me = (await authorize(client, answer).get("/users/me")).json()
        assert me["id"] == owner.user_id
        assert await mailed(app) == [("sign_in_changed", "Ada@Example.org")]
        assert not await is_logged_in(owner, owner.tokens["access_token"])

    @pytest.mark.parametrize(
        ("account", "person", "reason"),
        [
            ({"email_verified": False}, {}, "the account has no verified address"),
            ({"is_active": False}, {}, "the account is disabled"),
            *(
                ({}, person, "the provider has not verified the address")
                for person in (
                    {"email_verified": False},
                    {"email_verified": "true"},
                    {"email_verified": None},
                    {"email": None},
                )
            ),
        ],
    )
    async def test_is_never_linked_otherwise(
        self,
        app: FastAPI,
        client: Client,
        people: People,
        provider: Provider,
        account: dict[str, Any],
        person: dict[str, Any],
        reason: str,
    ) -> None:
        """The answer is the same as for a person without an account.

        Mutants: trust an address that the provider, or this service, did not verify.
        """
        await people.add(email=ADA["email"], **account)

        answer = await sign_in(client, provider, **person)
        stranger = {"email": "grace@example.org", "email_verified": False}
        unknown = await sign_in(client, provider, sub="2", **stranger)

        assert answer.status_code == unknown.status_code == 401
        assert without_id(answer.json()) == without_id(unknown.json())
        assert await count(app, ExternalIdentity) == 0
        assert await mailed(app) == []
        assert (await reasons(app))[0] == reason

    async def test_is_not_linked_if_the_settings_do_not_trust_the_provider(
        self, app: FastAPI, client: Client, people: People, other: Provider
    ) -> None:
        """Mutant: trust every provider that sends `email_verified`."""
        await people.add(email=ADA["email"])
        started = (await client.post("/auth/providers/wary/start")).json()
        answer = other.consent(started["authorization_url"], **ADA)

        finished = await finish(
            client, {"transaction": started["transaction"], **answer}, name="wary"
        )

        assert finished.json()["code"] == "identity_unknown"
        assert await count(app, ExternalIdentity) == 0


def without_id(problem: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in problem.items() if name != "request_id"}


class TestThrottling:
    @pytest.mark.parametrize("more", [{"rate_limit_requests": 4}])
    async def test_counts_requests_of_an_address_and_locks_no_account(
        self, client: Client, people: People, provider: Provider
    ) -> None:
        """Mutants: set no limit; count for the account, so that guesses lock it."""
        body = await consented(client, provider)
        wrong = {**body, "state": "guessed"}

        guesses = [await finish(client, wrong) for _ in range(4)]
        owner = await people.anonymous("198.51.100.7")

        assert [each.status_code for each in guesses] == [400, 400, 400, 429]
        assert (await finish(owner, body)).status_code == 200


class TestAttempt:
    async def test_can_be_finished_once(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        """Mutant: keep the row, so that the sign-in can be finished again."""
        body = await consented(client, provider)

        answers = await asyncio.gather(*(finish(client, body) for _ in range(5)))

        statuses = sorted(each.status_code for each in answers)
        assert statuses == [200, 400, 400, 400, 400]
        assert provider.asked["/token"] == 1
        assert await count(app, ExternalSignIn) == 0
