"""The identities of an account: linking, listing and removing them."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from app.db.models.audit_event import AuditEvent
from app.db.models.external_identity import ExternalIdentity
from app.db.models.user import User
from app.db.session import transaction
from testbed.mailbox import mailed, newest_token
from tests.api.accounts.test_sessions import make_stale
from tests.api.external_identities.browser import (
    ADA,
    PROVIDER,
    authorize,
    consented,
    finish,
    link,
    sign_in,
)
from tests.api.external_identities.provider import Provider
from tests.api.external_identities.test_signing_in import count
from tests.support.people import Client, People
from tests.support.sessions import end_sessions_during, is_logged_in
from tests.support.timeouts import holding, until

TWO_WAIT = (
    "SELECT count(*) > 1 FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def identities(client: Client) -> list[dict[str, Any]]:
    listed = await client.get("/auth/identities")
    assert listed.status_code == 200, listed.text
    items: list[dict[str, Any]] = listed.json()["items"]
    return items


async def events(app: FastAPI) -> list[str]:
    names = select(AuditEvent.event).where(AuditEvent.event.contains("identity"))
    async with transaction(app.state.shared.database) as session:
        return list(await session.scalars(names.order_by(AuditEvent.id)))


class TestLink:
    async def test_lets_the_owner_sign_in_with_another_address(
        self, app: FastAPI, client: Client, user: Client, provider: Provider
    ) -> None:
        """The provider need not verify the address, because the owner is signed in."""
        linked = await link(user, provider, email_verified=False)

        assert linked.status_code == 201
        assert await identities(user) == [linked.json()]
        assert linked.json()["email"] == ADA["email"]
        answer = await sign_in(client, provider, email_verified=False)
        me = (await authorize(client, answer).get("/users/me")).json()
        assert me["id"] == user.user_id

    @pytest.mark.parametrize("backend", ["postgresql"])  # SQLite has one writer
    async def test_needs_a_session_that_does_not_end_meanwhile(
        self, user: Client, provider: Provider, database_url: str
    ) -> None:
        """A thief must not link an identity while the owner ends the stolen session.

        Mutant: do not check the session again after locking the user.
        """
        body = await consented(user, provider, "identities")

        answer = await end_sessions_during(
            database_url, finish(user, body, "identities")
        )

        assert answer.status_code == 401

    async def test_ends_the_other_sessions_and_tells_the_owner(
        self, app: FastAPI, people: People, user: Client, provider: Provider
    ) -> None:
        """Mutant: link the identity without calling `SignInChanges`."""
        elsewhere = await people.log_in(user.account)

        await link(user, provider)

        assert await is_logged_in(user, user.tokens["access_token"])
        assert not await is_logged_in(elsewhere, elsewhere.tokens["access_token"])
        assert await mailed(app) == [("sign_in_changed", user.email)]
        assert await events(app) == ["account.identity.linked"]

    async def test_needs_a_fresh_session(
        self, app: FastAPI, user: Client, provider: Provider
    ) -> None:
        """Mutant: let a stolen access token add a way to sign in."""
        body = await consented(user, provider, "identities")
        await make_stale(app, user)

        answers = [
            await user.post(f"/auth/identities/{PROVIDER}/start"),
            await finish(user, body, "identities"),
        ]

        codes = {each.json()["code"] for each in answers}
        assert codes == {"reauthentication_required"}
        assert await count(app, ExternalIdentity) == 0

    async def test_of_an_identity_of_another_account_is_refused(
        self, app: FastAPI, client: Client, user: Client, provider: Provider
    ) -> None:
        """Mutant: move the identity to the account of the caller."""
        await sign_in(client, provider)

        answer = await link(user, provider)

        assert answer.status_code == 409
        assert answer.json()["code"] == "identity_taken"
        assert await identities(user) == []
        assert await is_logged_in(user, user.tokens["access_token"])

    async def test_needs_a_confirmed_address(
        self, app: FastAPI, people: People, provider: Provider
    ) -> None:
        """An attacker registers with the address of a victim and links an identity.

        After the victim has confirmed the address, the attacker could still sign in.
        Mutant: link without checking `email_verified`.
        """
        attacker = await people.sign_in(email_verified=False)

        answer = await link(attacker, provider)

        assert answer.status_code == 409
        assert answer.json()["code"] == "email_unverified"
        assert await count(app, ExternalIdentity) == 0


class TestRemove:
    async def test_ends_this_way_to_sign_in_from_the_next_request_on(
        self, app: FastAPI, client: Client, user: Client, provider: Provider
    ) -> None:
        await link(user, provider)
        other = authorize(client, await sign_in(client, provider))
        [identity] = await identities(user)

        removed = await user.delete(f"/auth/identities/{identity['id']}")

        assert removed.status_code == 204
        assert (await other.get("/users/me")).status_code == 401
        answer = await sign_in(client, provider)
        assert answer.status_code == 200  # this sign-in makes a new account
        me = (await authorize(client, answer).get("/users/me")).json()
        assert me["id"] != user.user_id
        assert len(await mailed(app)) == 3
        assert await events(app) == [
            "account.identity.linked",
            "account.identity.removed",
            "account.identity.linked",
        ]

    @pytest.mark.parametrize("backend", ["postgresql"])
    async def test_needs_a_session_that_does_not_end_meanwhile(
        self, user: Client, provider: Provider, database_url: str
    ) -> None:
        """Mutant: do not check the session again after locking the user."""
        identity = (await link(user, provider)).json()
        remove = user.delete(f"/auth/identities/{identity['id']}")

        answer = await end_sessions_during(database_url, remove)

        assert answer.status_code == 401

    @pytest.mark.parametrize("backend", ["postgresql"])
    async def test_refuses_a_sign_in_that_waits_for_it(
        self, client: Client, user: Client, provider: Provider, database_url: str
    ) -> None:
        """The statement that waited for the lock still sees the removed identity.

        Mutant: start a session without reading the identity again.
        """
        await link(user, provider)
        body = await consented(client, provider)
        async with holding(database_url, "SELECT FROM users FOR UPDATE") as owner:
            finishing = asyncio.create_task(finish(client, body))
            waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            await until(database_url, waits, finishing)
            await owner.execute("DELETE FROM external_identities")

        assert (await finishing).json()["code"] == "identity_unknown"

    async def test_of_the_last_way_to_sign_in_is_refused(
        self, app: FastAPI, client: Client, provider: Provider
    ) -> None:
        """Mutant: remove the identity, which locks the owner out of the account."""
        authorize(client, await sign_in(client, provider))
        [identity] = await identities(client)
        path = f"/auth/identities/{identity['id']}"

        refused = await client.delete(path)

        assert refused.status_code == 409
        assert refused.json()["code"] == "last_way_to_sign_in"
        await client.post("/auth/password/forgot", json={"email": ADA["email"]})
        token = await newest_token(app, "reset_password")
        chosen = {"token": token, "password": "violet umbrella parade"}
        assert (await client.post("/auth/password/reset", json=chosen)).is_success
        authorize(client, await sign_in(client, provider))
        assert (await client.delete(path)).status_code == 204

    @pytest.mark.parametrize("backend", ["postgresql"])  # SQLite has one writer
    async def test_of_the_last_two_at_once_leaves_one(
        self, client: Client, provider: Provider, database_url: str
    ) -> None:
        """Mutant: count the identities without a lock on the account."""
        authorize(client, await sign_in(client, provider))
        await link(client, provider, sub="ada-2")
        paths = [f"/auth/identities/{each['id']}" for each in await identities(client)]

        async with holding(database_url, "SELECT FROM external_identities FOR UPDATE"):
            removing = asyncio.gather(*map(client.delete, paths))
            await until(database_url, TWO_WAIT, removing)

        assert sorted(each.status_code for each in await removing) == [204, 409]

    async def test_of_an_identity_of_another_account_is_a_404(
        self, client: Client, user: Client, provider: Provider
    ) -> None:
        """Mutant: find an identity without its owner."""
        authorize(client, await sign_in(client, provider))
        [identity] = await identities(client)

        answer = await user.delete(f"/auth/identities/{identity['id']}")

        assert answer.json()["code"] == "identity_not_found"
        assert len(await identities(client)) == 1

    async def test_needs_a_fresh_session(
        self, app: FastAPI, user: Client, provider: Provider
    ) -> None:
        identity = (await link(user, provider)).json()
        await make_stale(app, user)

        answer = await user.delete(f"/auth/identities/{identity['id']}")

        assert answer.json()["code"] == "reauthentication_required"


class TestLinkedAccount:
    @pytest.mark.parametrize(
        ("fields", "more"),
        [
            ({"is_active": False}, {}),
            ({"email_verified": False}, {"registration": "verified"}),
        ],
    )
    async def test_that_cannot_log_in_answers_as_if_it_were_unknown(
        self,
        app: FastAPI,
        client: Client,
        user: Client,
        provider: Provider,
        fields: dict[str, Any],
    ) -> None:
        """Mutant: check only the identity, not the account."""
        await link(user, provider)
        async with transaction(app.state.shared.database) as session:
            await session.execute(update(User).values(fields))

        answer = await sign_in(client, provider)

        assert answer.status_code == 401
        assert answer.json()["code"] == "identity_unknown"

    async def test_loses_its_identities_when_it_is_deleted(
        self, app: FastAPI, user: Client, admin: Client, provider: Provider
    ) -> None:
        await link(user, provider)

        deleted = await admin.delete(f"/users/{user.user_id}")

        assert deleted.status_code == 204
        assert await count(app, ExternalIdentity) == 0
