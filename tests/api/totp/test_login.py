"""Logging in with a password and a second factor."""

import asyncio
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import orjson
import pytest
from fastapi import FastAPI
from joserfc.util import urlsafe_b64decode
from sqlalchemy import update

from app.db.base import utc_now
from app.db.models.pending_login import PendingLogin
from app.db.session import transaction
from testbed.accounts import PASSWORD
from testbed.mailbox import newest_token
from tests.support.people import Client, People
from tests.support.sessions import is_logged_in, refresh
from tests.support.totp import (
    STEP,
    Phone,
    enrolled,
    finish,
    read_events,
    use,
)

UNLIMITED = {"rate_limit_enabled": False}
FAILED = (401, "mfa_failed")


def claims(access_token: str) -> dict[str, Any]:
    payload = access_token.split(".")[1].encode()
    found: dict[str, Any] = orjson.loads(urlsafe_b64decode(payload))
    return found


async def refusal(client: Client, token: str, **answer: str) -> tuple[int, str]:
    response = await finish(client, token, **answer)
    return response.status_code, response.json().get("code", "")


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


class TestLogin:
    async def test_needs_both_factors_and_reaches_aal2(
        self, phone: Phone, client: Client, admin: Client
    ) -> None:
        """Mutants: start a session for the password alone; lose `acr` at a refresh."""
        body = {"email": phone.owner.email, "password": PASSWORD}
        first = await client.post("/auth/login", json=body)

        assert first.status_code == 200
        assert first.json().keys() == {"status", "mfa_token", "methods"}
        assert first.json()["methods"] == ["totp", "recovery_code"]
        assert "X-Device-Token" not in first.headers
        token = first.json()["mfa_token"]
        assert not await is_logged_in(client, token)

        use(client, await finish(client, token, code=await phone.code()))
        renewed = (await refresh(client, client.tokens["refresh_token"])).json()

        for tokens in (client.tokens, renewed):
            access = claims(tokens["access_token"])
            assert (access["amr"], access["acr"]) == (["pwd", "otp", "mfa"], "aal2")
        assert await is_logged_in(client, renewed["access_token"])
        [event] = await read_events(admin, "auth.mfa.success")
        assert event["actor_id"] == phone.owner.user_id
        assert event["detail"] == {"factor": "totp"}

    async def test_with_a_wrong_password_does_not_mention_the_factor(
        self, phone: Phone, client: Client
    ) -> None:
        """Mutant: ask for the second factor before the password was checked."""
        body = {"email": phone.owner.email, "password": "wrong"}
        answers = [
            await client.post("/auth/login", json=each)
            for each in (body, body | {"email": "nobody@example.org"})
        ]

        told = [
            {**answer.json(), "request_id": None, "status": answer.status_code}
            for answer in answers
        ]
        assert told[0] == told[1]
        assert told[0]["code"] == "invalid_credentials"


class TestCode:
    async def test_works_once(self, phone: Phone, client: Client) -> None:
        """Mutant: store the last code instead of its step."""
        code = await phone.code()
        first, second = await phone.begin(client), await phone.begin(client)

        assert (await finish(client, first, code=code)).status_code == 200
        assert await refusal(client, second, code=code) == FAILED

    @pytest.mark.parametrize("overrides", [UNLIMITED])
    async def test_works_once_of_twenty_at_the_same_time(
        self, phone: Phone, client: Client
    ) -> None:
        """Mutants: do not lock the user or compare the step; keep the pending login."""
        same = await phone.begin(client)
        tokens = [same] * 10 + [await phone.begin(client) for _ in range(10)]
        code = await phone.code()

        answers = await asyncio.gather(*(finish(client, t, code=code) for t in tokens))

        assert Counter(each.status_code for each in answers) == {200: 1, 401: 19}

    async def test_of_the_previous_step_is_accepted_but_no_older_one(
        self, phone: Phone, client: Client
    ) -> None:
        """Mutants: refuse the previous step; accept older steps; accept later steps."""
        token = await phone.begin(client)
        await phone.code()
        assert await refusal(client, token, code=phone.shows(steps_ago=2)) == FAILED
        assert await refusal(client, token, code=phone.shows(steps_ago=-2)) == FAILED
        while True:
            step = time.time() // STEP
            answer = await finish(client, token, code=phone.shows(steps_ago=1))
            if time.time() // STEP == step:  # otherwise the code became too old
                break

        assert answer.status_code == 200

    @pytest.mark.parametrize(
        "spell",
        [
            lambda code: code.translate({n: n + 0xFEE0 for n in range(48, 58)}),
            lambda code: f" {code[1:]}",
            lambda code: f"{code}\n",
            lambda code: code[1:],
        ],
        ids=["fullwidth", "space", "newline", "short"],
    )
    async def test_has_six_ascii_digits(
        self, phone: Phone, client: Client, spell: Any
    ) -> None:
        """Mutant: check the code by `str.isdigit`, which accepts fullwidth digits."""
        token = await phone.begin(client)

        answer = await finish(client, token, code=spell(await phone.code()))

        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "#/code"


class TestMfaToken:
    async def test_works_once(self, phone: Phone, client: Client) -> None:
        """Mutant: keep the pending login after the session has started."""
        token = await phone.begin(client)
        use(client, await finish(client, token, code=await phone.code()))

        assert await refusal(client, token, code=await phone.code()) == FAILED
        assert await refusal(client, "forged", code=await phone.code()) == FAILED

    async def test_belongs_to_one_user(
        self, app: FastAPI, people: People, phone: Phone, client: Client
    ) -> None:
        """Mutant: check the code for another user than that of the token (fixation)."""
        other = await enrolled(app, people)
        token = await phone.begin(client)

        assert await refusal(client, token, code=await other.code()) == FAILED
        answer = {"recovery_code": other.recovery_codes[0]}
        assert await refusal(client, token, **answer) == FAILED
        assert (await finish(client, token, code=await phone.code())).status_code == 200

    @pytest.mark.parametrize("overrides", [UNLIMITED])
    async def test_allows_five_tries(self, phone: Phone, client: Client) -> None:
        """Mutants: roll back the count of tries; count only after the comparison."""
        token, other = await phone.begin(client), await phone.begin(client)
        guess = wrong(await phone.code())

        parallel = (refusal(client, token, code=guess) for _ in range(8))
        assert [*await asyncio.gather(*parallel)] == [FAILED] * 8

        assert await refusal(client, token, code=await phone.code()) == FAILED
        assert (await finish(client, other, code=await phone.code())).status_code == 200

    async def test_ends_after_five_minutes(
        self, app: FastAPI, phone: Phone, client: Client
    ) -> None:
        token = await phone.begin(client)
        past = utc_now() - timedelta(seconds=1)
        async with transaction(app.state.shared.database) as session:
            [until] = await session.scalars(
                update(PendingLogin)
                .values(expires_at=past)
                .returning(PendingLogin.expires_at)
            )

        assert until == past
        assert await refusal(client, token, code=await phone.code()) == FAILED

    @pytest.mark.parametrize("change", ["password", "disabled", "factor"])
    async def test_ends_with_a_change_of_the_account(
        self, phone: Phone, client: Client, admin: Client, change: str
    ) -> None:
        """Mutant: do not end pending logins when the account changes."""
        token, owner = await phone.begin(client), phone.owner
        code = await phone.code()
        if change == "password":
            body = {"current_password": PASSWORD, "new_password": "seven velvet lamps"}
            answer = await owner.post("/auth/password/change", json=body)
        elif change == "disabled":
            body = {"is_active": "false"}
            answer = await admin.patch(
                f"/users/{owner.user_id}", json={"is_active": False}
            )
        else:
            answer = await owner.post("/auth/mfa/recovery-codes")
        assert answer.is_success, answer.text

        assert await refusal(client, token, code=code) == FAILED

    async def test_is_bound_to_the_password(
        self, app: FastAPI, phone: Phone, client: Client
    ) -> None:
        """Mutant: do not compare the fingerprint of the password."""
        token = await phone.begin(client)
        async with transaction(app.state.shared.database) as session:
            other = update(PendingLogin).values(password_fingerprint=b"12345678")
            await session.execute(other)

        assert await refusal(client, token, code=await phone.code()) == FAILED


class TestPasswordReset:
    async def test_does_not_skip_the_second_factor(
        self, app: FastAPI, phone: Phone, client: Client
    ) -> None:
        """Mutants: let a reset remove the factor; let a reset start a session."""
        await client.post("/auth/password/forgot", json={"email": phone.owner.email})
        token = await newest_token(app, "reset_password")
        body = {"token": token, "password": "seven velvet harbour lamps"}
        assert (await client.post("/auth/password/reset", json=body)).status_code == 204

        body = {"email": phone.owner.email, "password": body["password"]}
        answer = (await client.post("/auth/login", json=body)).json()

        assert answer["status"] == "mfa_required"
