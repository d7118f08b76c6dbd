"""Adding a passkey to an account, and refusing attacks."""

import asyncio
from datetime import timedelta
from typing import Any

from fastapi import FastAPI
from sqlalchemy import update

from app.db.base import utc_now
from app.db.models.passkey import PasskeyChallenge
from app.db.session import transaction
from app.identity import TITLE
from app.schemas.passkey import MOST_PASSKEYS
from app.services.passkeys.challenges import decode
from testbed.mailbox import mailed
from tests.support.passkeys import (
    BACKED_UP,
    ELIGIBLE,
    PRESENT,
    VERIFIED,
    Authenticator,
    login_options,
    register,
)
from tests.support.people import Client, People
from tests.support.sessions import alter_sessions, is_logged_in


async def options_for(client: Client) -> dict[str, Any]:
    options: dict[str, Any] = (await client.post("/auth/passkeys/options")).json()
    return options


async def finish(client: Client, credential: dict[str, Any]) -> tuple[int, str]:
    body = {"name": "Laptop", "credential": credential}
    answer = await client.post("/auth/passkeys", json=body)
    return answer.status_code, answer.json().get("code", "")


REFUSED = (400, "passkey_invalid")


class TestOptions:
    async def test_ask_for_a_verified_user_and_reveal_no_id(self, user: Client) -> None:
        """Mutant: use the user ID as the handle, which any page can read."""
        options = await options_for(user)
        again = await options_for(user)

        assert options["rp"] == {"id": "test", "name": TITLE}
        assert options["attestation"] == "none"
        assert options["authenticatorSelection"] == {
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        }
        assert [each["alg"] for each in options["pubKeyCredParams"]] == [-8, -7, -257]
        assert len(decode(options["challenge"])) == 32
        assert options["challenge"] != again["challenge"]
        assert len(decode(options["user"]["id"])) == 64
        assert options["user"]["id"] != again["user"]["id"]

    async def test_exclude_registered_passkeys_and_repeat_the_handle(
        self, user: Client
    ) -> None:
        passkey = await register(user)

        options = await options_for(user)

        [known] = options["excludeCredentials"]
        assert decode(known["id"]) == passkey.credential_id
        assert known["transports"] == ["hybrid", "internal"]
        assert options["user"]["id"] == passkey.user_handle

    async def test_need_a_fresh_session(self, app: FastAPI, user: Client) -> None:
        """Mutant: let the thief of an access token add a passkey."""
        options = await options_for(user)
        await alter_sessions(app, user, auth_time=utc_now() - timedelta(minutes=11))

        asked = await user.post("/auth/passkeys/options")
        sent = await finish(user, Authenticator().create(options))

        assert asked.json()["code"] == "reauthentication_required"
        assert sent == (401, "reauthentication_required")


class TestRegister:
    async def test_stores_what_the_authenticator_says(
        self, app: FastAPI, people: People, user: Client, client: Client
    ) -> None:
        other = await people.log_in(user.account, "192.0.2.9")
        synced = await register(user, name="  Phone ")
        bound = Authenticator(flags=PRESENT | VERIFIED)
        await register(user, bound, name="Key")

        answer = await user.get("/auth/passkeys")

        phone, key = answer.json()["items"]
        assert (phone["name"], phone["backed_up"]) == ("Phone", True)
        assert (key["name"], key["backed_up"]) == ("Key", False)
        assert phone["aaguid"] == "d7a423ad-3e19-4492-9200-78137dccc136"
        assert phone["last_used_at"] is None
        assert synced.user_handle == bound.user_handle
        # Adding a passkey ended the other session, and mailed the owner.
        assert await is_logged_in(client, user.tokens["access_token"])
        assert not await is_logged_in(client, other.tokens["access_token"])
        assert await mailed(app) == [("sign_in_changed", user.email)] * 2
        events = (await user.get("/users/me/security-events")).json()["items"]
        assert events[0]["event"] == "account.passkey.added"

    async def test_refuses_passkeys_that_were_not_made_for_these_options(
        self, user: Client
    ) -> None:
        """Mutants: do not check the origin, the domain or the flags."""
        options = await options_for(user)
        wrong: list[dict[str, Any]] = [
            {"origin": "http://test.example.org"},
            {"origin": "https://test"},
            {"rp_id": "example.org"},
            {"flags": PRESENT | ELIGIBLE},
            {"flags": VERIFIED | ELIGIBLE},
            {"flags": PRESENT | VERIFIED | BACKED_UP},
            {"client_data": {"crossOrigin": True}},
            {"client_data": {"type": "webauthn.get"}},
            {"client_data": {"challenge": None}},
            {"client_data": {"challenge": "AAAA"}},
        ]

        for change in wrong:
            credential = Authenticator(**change).create(options)
            assert await finish(user, credential) == REFUSED, change
        # None of these requests has used up the challenge.
        assert await finish(user, Authenticator().create(options)) == (201, "")

    async def test_refuses_challenges_of_other_sessions_and_ceremonies(
        self, app: FastAPI, people: People, user: Client
    ) -> None:
        """Mutant: accept a challenge of any session."""
        other_user = await people.sign_in()
        other_session = await people.log_in(user.account, "192.0.2.9")
        forged = {**await options_for(user), "challenge": "A" * 43}
        foreign = await options_for(other_user)
        elsewhere = await options_for(other_session)
        login = {**await options_for(user), **await login_options(user)}

        for options in (forged, foreign, elsewhere, login):
            assert await finish(user, Authenticator().create(options)) == REFUSED

        expired = await options_for(user)
        async with transaction(app.state.shared.database) as session:
            await session.execute(update(PasskeyChallenge).values(expires_at=utc_now()))
        assert await finish(user, Authenticator().create(expired)) == REFUSED

    async def test_uses_a_challenge_once_even_for_requests_at_once(
        self, user: Client
    ) -> None:
        """Mutant: read the challenge, and delete it in a later statement."""
        options = await options_for(user)
        authenticators = [Authenticator() for _ in range(5)]

        answers = await asyncio.gather(
            *(finish(user, each.create(options)) for each in authenticators)
        )

        assert sorted(answers) == [(201, ""), *[REFUSED] * 4]

    async def test_refuses_a_passkey_of_another_account(
        self, people: People, user: Client, client: Client
    ) -> None:
        """An attacker who learns the ID of a credential can send it with another key.

        Mutant: overwrite the row of the victim.
        """
        victim = await register(user)
        thief = await people.sign_in()
        options = await options_for(thief)
        fake = Authenticator(credential_id=victim.credential_id)

        assert await finish(thief, fake.create(options)) == (409, "passkey_exists")
        credential = victim.get(await login_options(client))
        login = await client.post(
            "/auth/passkeys/login", json={"credential": credential}
        )
        assert login.status_code == 200

    async def test_stops_at_the_maximum_even_for_requests_at_once(
        self, user: Client
    ) -> None:
        """Mutant: count the passkeys without a lock on the user."""
        waiting = [await options_for(user) for _ in range(MOST_PASSKEYS + 2)]

        answers = await asyncio.gather(
            *(finish(user, Authenticator().create(each)) for each in waiting)
        )

        full = (409, "too_many_passkeys")
        assert sorted(answers) == [*[(201, "")] * MOST_PASSKEYS, full, full]
        assert (await user.post("/auth/passkeys/options")).status_code == 409

    async def test_refuses_malformed_credentials_without_an_error_500(
        self, user: Client
    ) -> None:
        """Mutant: catch only the errors that the library documents."""
        options = await options_for(user)
        good = Authenticator().create(options)
        deep = "W1tb" * 1000  # [[[…
        for member, value in (
            ("clientDataJSON", deep),
            ("clientDataJSON", "e30"),
            ("clientDataJSON", "MQ"),
            ("clientDataJSON", "A"),
            ("attestationObject", "A"),
            ("attestationObject", ""),
            ("attestationObject", "gYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGB"),
            ("attestationObject", good["response"]["attestationObject"][:-8]),
        ):
            response = {**good["response"], member: value}
            assert await finish(user, {**good, "response": response}) == REFUSED
        assert await finish(user, {**good, "rawId": "AAAA"}) == REFUSED
