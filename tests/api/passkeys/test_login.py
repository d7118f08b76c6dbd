"""Logging in with a passkey, and refusing attacks."""

import asyncio
from copy import copy
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import update

from app.db.base import utc_now
from app.db.models.passkey import PasskeyChallenge
from app.db.models.user import User
from app.db.session import transaction
from tests.support.passkeys import (
    BACKED_UP,
    ELIGIBLE,
    PRESENT,
    USUAL,
    VERIFIED,
    Authenticator,
    log_in,
    login_options,
    register,
    send,
    tampered,
)
from tests.support.people import Client, People


async def change_user(app: FastAPI, user: Client, **values: Any) -> None:
    statement = update(User).where(User.id == UUID(user.user_id)).values(values)
    async with transaction(app.state.shared.database) as session:
        await session.execute(statement)


class OffCurve(Authenticator):
    """Has a public key that is not on the curve."""

    def cose_key(self) -> dict[int, Any]:
        return {**super().cose_key(), -3: bytes(32)}


class TestLogin:
    async def test_needs_neither_address_nor_password(
        self, app: FastAPI, user: Client, client: Client
    ) -> None:
        passkey = await register(user)
        options = await login_options(client)

        answer = await send(client, passkey.get(options))

        assert (options["allowCredentials"], options["rpId"]) == ([], "test")
        assert options["userVerification"] == "required"
        assert answer.status_code == 200
        tokens = answer.json()
        assert tokens.keys() == user.tokens.keys()
        claims = app.state.shared.access_tokens.verify(tokens["access_token"])
        assert (str(claims.sub), claims.acr) == (user.user_id, "aal2")
        assert claims.amr == ("webauthn", "mfa", "user")
        # The session is fresh, and the owner sees that the passkey was used.
        client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        assert (await client.post("/auth/passkeys/options")).status_code == 200
        [seen] = (await client.get("/auth/passkeys")).json()["items"]
        assert seen["last_used_at"] is not None
        [event, *_] = (await client.get("/users/me/security-events")).json()["items"]
        assert event["event"] == "auth.login.success"

    async def test_accepts_every_algorithm_of_the_options(
        self, user: Client, client: Client
    ) -> None:
        options = (await user.post("/auth/passkeys/options")).json()

        for each in options["pubKeyCredParams"]:
            passkey = await register(user, Authenticator(each["alg"]))
            assert (await log_in(client, passkey)).status_code == 200, each

    async def test_records_whether_the_passkey_is_synchronised(
        self, user: Client, client: Client
    ) -> None:
        passkey = await register(user)
        passkey.flags = USUAL & ~BACKED_UP

        await log_in(client, passkey)

        [seen] = (await user.get("/auth/passkeys")).json()["items"]
        assert seen["backed_up"] is False


class TestRefusal:
    async def test_is_the_same_for_every_reason(
        self, app: FastAPI, people: People, client: Client
    ) -> None:
        """Mutants: say that the account is disabled, or that the passkey is unknown."""
        owner = await people.sign_in()
        passkey = await register(owner)
        client.headers["X-Request-ID"] = "the-same-id"

        unknown = await log_in(client, Authenticator(user_handle=passkey.user_handle))
        await change_user(app, owner, is_active=False)
        disabled = await log_in(client, passkey)
        await change_user(app, owner, is_active=True)
        credential = passkey.get(await login_options(client))
        credential["response"]["signature"] = tampered(
            credential["response"]["signature"]
        )
        forged = await send(client, credential)

        assert unknown.status_code == 401
        assert unknown.json()["code"] == "passkey_refused"
        assert unknown.content == disabled.content == forged.content
        assert {*unknown.headers} == {*disabled.headers} == {*forged.headers}

    @pytest.mark.parametrize("overrides", [{"registration": "verified"}])
    async def test_is_the_answer_to_an_unverified_address(
        self, app: FastAPI, user: Client, client: Client
    ) -> None:
        passkey = await register(user)
        await change_user(app, user, email_verified=False)

        assert (await log_in(client, passkey)).json()["code"] == "passkey_refused"

    @pytest.mark.parametrize("overrides", [{"rate_limit_enabled": False}])
    async def test_is_the_answer_to_what_was_not_signed_for_this_login(
        self, user: Client, client: Client
    ) -> None:
        """Mutants: do not check the origin, domain, flags, handle or signature."""
        passkey = await register(user)
        wrong: list[dict[str, Any]] = [
            {"origin": "http://test.example.org"},
            {"origin": "http://test:8000"},
            {"rp_id": "example.org"},
            {"flags": PRESENT | ELIGIBLE},
            {"flags": VERIFIED | ELIGIBLE},
            {"flags": PRESENT | VERIFIED},
            {"client_data": {"crossOrigin": True}},
            {"client_data": {"type": "webauthn.create"}},
            {"client_data": {"challenge": "AAAA"}},
            {"user_handle": None},
            {"user_handle": "AAAA"},
            {"key": Authenticator().key},
        ]
        accepted = []

        for change in wrong:
            attacker = copy(passkey)
            vars(attacker).update(change)
            if (await log_in(client, attacker)).status_code != 401:
                accepted.append(change)

        assert accepted == []
        assert (await log_in(client, passkey)).status_code == 200

    async def test_is_the_answer_to_a_replay_and_to_a_challenge_of_another_ceremony(
        self, app: FastAPI, user: Client, client: Client
    ) -> None:
        """Mutant: keep the challenge after a login."""
        passkey = await register(user)
        credential = passkey.get(await login_options(client))
        registration = (await user.post("/auth/passkeys/options")).json()
        expired = passkey.get(await login_options(client))

        assert (await send(client, credential)).status_code == 200
        assert (await send(client, credential)).json()["code"] == "passkey_refused"
        assert (await send(client, passkey.get(registration))).status_code == 401
        invented = passkey.get({"challenge": "A" * 43})
        assert (await send(client, invented)).status_code == 401
        async with transaction(app.state.shared.database) as session:
            await session.execute(update(PasskeyChallenge).values(expires_at=utc_now()))
        assert (await send(client, expired)).status_code == 401

    async def test_is_the_answer_to_all_uses_of_a_challenge_but_one(
        self, user: Client, client: Client
    ) -> None:
        """Mutant: read the challenge, and delete it in a later statement."""
        passkey = await register(user)
        credential = passkey.get(await login_options(client))

        answers = await asyncio.gather(*(send(client, credential) for _ in range(6)))

        assert sorted(each.status_code for each in answers) == [200, *[401] * 5]

    async def test_is_the_answer_to_malformed_credentials(
        self, user: Client, client: Client
    ) -> None:
        """Mutant: catch only the errors that the library itself raises."""
        passkey = await register(user)
        good = passkey.get(await login_options(client))

        for member, value in (
            ("authenticatorData", "AAAA"),
            ("authenticatorData", ""),
            ("signature", ""),
            ("clientDataJSON", "e30"),
            ("clientDataJSON", "W1tb" * 1000),
        ):
            response = {**good["response"], member: value}
            assert (
                await send(client, {**good, "response": response})
            ).status_code == 401
        assert (await send(client, {**good, "id": "A"})).status_code == 401
        off_curve = await register(user, OffCurve())
        assert (await log_in(client, off_curve)).status_code == 401
        assert (await send(client, good)).status_code == 200

    async def test_is_recorded_for_the_owner_but_not_each_one_of_a_flood(
        self, user: Client, client: Client, admin: Client
    ) -> None:
        """Mutant: record each refusal, so that a flood of requests fills the disk."""
        passkey = await register(user)
        passkey.origin = "http://phish.example.org"

        for _ in range(12):
            await log_in(client, passkey)

        query = {"event": "auth.login.failure", "subject_id": user.user_id}
        events = (await admin.get("/audit-events", params=query)).json()["items"]
        assert len(events) == 10
        assert events[0]["detail"] == {
            "method": "passkey",
            "reason": "InvalidAuthenticationResponse",
        }

    @pytest.mark.parametrize("overrides", [{"rate_limit_requests": 5}])
    async def test_of_too_many_requests_leaves_other_addresses_alone(
        self, people: People, user: Client, client: Client
    ) -> None:
        """Mutant: do not limit `login/options`, although each request stores a row."""
        elsewhere = await people.anonymous("198.51.100.7")

        answers = [
            (await client.post("/auth/passkeys/login/options")).status_code
            for _ in range(6)
        ]

        assert sorted(answers) == [*[200] * 4, 429, 429]
        assert (await elsewhere.post("/auth/passkeys/login/options")).is_success
