"""Passkeys as a second factor: after the password, and to confirm a change."""

import asyncio
from datetime import timedelta
from typing import Any

from fastapi import FastAPI
from httpx2 import Response

from app.db.base import utc_now
from app.services.passkeys.challenges import decode
from testbed.accounts import PASSWORD
from tests.support.passkeys import Authenticator, login_options, register
from tests.support.people import Client, People
from tests.support.sessions import alter_sessions

Options = dict[str, Any]


async def begin(client: Client, user: Client) -> str:
    """Log in with the password, and return the `mfa_token`."""
    body = {"email": user.email, "password": PASSWORD}
    answer = await client.post("/auth/login", json=body)
    assert answer.json()["status"] == "mfa_required", answer.text
    return str(answer.json()["mfa_token"])


async def step_options(client: Client, token: str) -> Options:
    answer = await client.post("/auth/passkeys/mfa/options", json={"mfa_token": token})
    assert answer.status_code == 200, answer.text
    options: Options = answer.json()
    return options


async def finish(client: Client, token: str, credential: Options) -> Response:
    body = {"mfa_token": token, "passkey": credential}
    return await client.post("/auth/login/mfa", json=body)


async def confirmation(client: Client, passkey: Authenticator) -> Response:
    options = (await client.post("/auth/passkeys/reauthenticate/options")).json()
    body = {"passkey": passkey.get(options)}
    answer = await client.post("/auth/reauthenticate", json=body)
    if answer.is_success:
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return answer


class TestSecondStep:
    async def test_needs_the_password_and_the_passkey(
        self, app: FastAPI, user: Client, client: Client
    ) -> None:
        """Mutant: start a session after the password alone."""
        passkey = await register(user)
        body = {"email": user.email, "password": PASSWORD}
        first = (await client.post("/auth/login", json=body)).json()
        assert first["methods"] == ["passkey", "recovery_code"]

        options = await step_options(client, first["mfa_token"])
        second = await finish(client, first["mfa_token"], passkey.get(options))

        [allowed] = options["allowCredentials"]
        assert decode(allowed["id"]) == passkey.credential_id
        assert second.status_code == 200
        claims = app.state.shared.access_tokens.verify(second.json()["access_token"])
        assert claims.amr == ("pwd", "webauthn", "mfa", "user")
        assert claims.acr == "aal2"

    async def test_refuses_a_signature_for_another_purpose(
        self, people: People, user: Client, client: Client
    ) -> None:
        """Mutants: bind the challenge only to the user; bind it to nothing."""
        passkey = await register(user)
        stranger = await people.sign_in()
        theirs = await register(stranger)
        token, other_token = await begin(client, user), await begin(client, user)

        options = await step_options(client, token)
        refused = [
            await finish(client, token, credential)
            for credential in (
                passkey.get(await step_options(client, other_token)),
                passkey.get(await login_options(client)),
                theirs.get(options),
            )
        ]

        assert {each.json()["code"] for each in refused} == {"mfa_failed"}
        signed = passkey.get(options)
        login = await client.post("/auth/passkeys/login", json={"credential": signed})
        assert login.status_code == 401
        assert (await finish(client, token, signed)).status_code == 200
        assert (await finish(client, other_token, signed)).status_code == 401
        unknown = await client.post(
            "/auth/passkeys/mfa/options", json={"mfa_token": token}
        )
        assert unknown.json()["code"] == "mfa_failed"

    async def test_works_once_even_for_requests_at_once(
        self, user: Client, client: Client
    ) -> None:
        passkey = await register(user)
        token = await begin(client, user)
        signed = passkey.get(await step_options(client, token))

        answers = await asyncio.gather(
            *(finish(client, token, signed) for _ in range(4))
        )

        assert sorted(each.status_code for each in answers) == [200, 401, 401, 401]


class TestConfirmation:
    async def test_makes_the_session_fresh_where_the_password_is_not_enough(
        self, app: FastAPI, user: Client
    ) -> None:
        """Mutant: let the password confirm the removal of the passkey."""
        passkey = await register(user)
        [row] = (await user.get("/auth/passkeys")).json()["items"]
        path = f"/auth/passkeys/{row['id']}"
        earlier = utc_now() - timedelta(minutes=11)
        await alter_sessions(app, user, auth_time=earlier, second_factor_at=earlier)

        stale = await user.delete(path)
        again = await user.post("/auth/reauthenticate", json={"password": PASSWORD})
        user.headers["Authorization"] = f"Bearer {again.json()['access_token']}"
        by_password = await user.delete(path)
        confirmed = await confirmation(user, passkey)

        assert stale.json()["code"] == "reauthentication_required"
        assert by_password.json()["code"] == "step_up_required"
        assert confirmed.status_code == 200
        assert (await user.delete(path)).status_code == 204

    async def test_refuses_a_challenge_of_another_session_or_ceremony(
        self, user: Client, client: Client
    ) -> None:
        """Mutant: bind the challenge to the session, but not to the ceremony."""
        passkey = await register(user)
        credential = passkey.get(await login_options(client))
        login = await client.post(
            "/auth/passkeys/login", json={"credential": credential}
        )
        client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
        options = (await client.post("/auth/passkeys/reauthenticate/options")).json()

        body = {"passkey": passkey.get(options)}
        answer = await user.post("/auth/reauthenticate", json=body)

        registration = (await user.post("/auth/passkeys/options")).json()
        other = {"passkey": passkey.get(registration)}
        misused = await user.post("/auth/reauthenticate", json=other)

        assert answer.json()["code"] == misused.json()["code"] == "mfa_failed"
        assert (await client.post("/auth/reauthenticate", json=body)).is_success


class TestLoss:
    async def test_of_the_device_is_solved_by_a_recovery_code(
        self, user: Client, client: Client
    ) -> None:
        options = (await user.post("/auth/passkeys/options")).json()
        body = {"name": "Lost", "credential": Authenticator().create(options)}
        codes = (await user.post("/auth/passkeys", json=body)).json()["recovery_codes"]
        await register(user)  # a second passkey makes no new codes

        token = await begin(client, user)
        body = {"mfa_token": token, "recovery_code": codes[0]}
        answer = await client.post("/auth/login/mfa", json=body)

        assert len(codes) == 10
        assert answer.status_code == 200
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        left = (await client.get("/auth/mfa")).json()
        assert left == {"second_factors": ["passkey"], "recovery_codes_left": 9}

    async def test_of_the_last_passkey_makes_the_password_enough(
        self, user: Client, client: Client
    ) -> None:
        """Mutant: ask for a factor after the account has lost the last one."""
        await register(user)
        await register(user)

        for row in (await user.get("/auth/passkeys")).json()["items"]:
            await begin(client, user)
            assert (await user.delete(f"/auth/passkeys/{row['id']}")).status_code == 204

        left = (await user.get("/auth/mfa")).json()
        assert left == {"second_factors": [], "recovery_codes_left": 0}
        body = {"email": user.email, "password": PASSWORD}
        assert "access_token" in (await client.post("/auth/login", json=body)).json()

    async def test_of_everything_is_solved_by_an_administrator(
        self, user: Client, admin: Client, client: Client
    ) -> None:
        passkey = await register(user)

        reset = await admin.delete(f"/users/{user.user_id}/mfa")

        assert reset.status_code == 204
        credential = passkey.get(await login_options(client))
        login = await client.post(
            "/auth/passkeys/login", json={"credential": credential}
        )
        assert login.json()["code"] == "passkey_refused"
