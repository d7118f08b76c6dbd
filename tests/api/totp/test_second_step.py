"""Logging in with a second factor."""

from typing import Any

import pytest
from fastapi import FastAPI

from testbed.accounts import PASSWORD
from tests.support.people import Client, People
from tests.support.sessions import is_logged_in, refresh
from tests.support.totp import Authenticator, enrolled, finish

UNLIMITED = {"rate_limit_enabled": False}


def claims(access_token: str) -> dict[str, Any]:
    from base64 import urlsafe_b64decode

    import orjson

    payload = access_token.split(".")[1]
    found: dict[str, Any] = orjson.loads(urlsafe_b64decode(payload + "=="))
    return found


async def events(admin: Client, name: str, **query: str) -> list[dict[str, Any]]:
    answer = await admin.get("/audit-events", params={"event": name, **query})
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


@pytest.fixture
async def phone(app: FastAPI, people: People) -> Authenticator:
    return await enrolled(app, people)


class TestLogin:
    async def test_needs_both_factors_and_reaches_aal2(
        self, phone: Authenticator, client: Client, admin: Client
    ) -> None:
        """Mutant: start a session for the password alone."""
        body = {"email": phone.owner.email, "password": PASSWORD}
        first = await client.post("/auth/login", json=body)

        assert first.status_code == 200
        assert first.json().keys() == {"status", "mfa_token", "methods"}
        assert first.json()["methods"] == ["totp", "recovery_code"]
        assert "X-Device-Token" not in first.headers

        second = await finish(
            client, first.json()["mfa_token"], code=await phone.code()
        )

        assert second.status_code == 200
        access = claims(second.json()["access_token"])
        assert (access["amr"], access["acr"]) == (["pwd", "otp", "mfa"], "aal2")
        assert await is_logged_in(client, second.json()["access_token"])
        assert "X-Device-Token" in second.headers
        [event] = await events(admin, "auth.mfa.success")
        assert event["subject_id"] == phone.owner.user_id

    async def test_after_a_refresh_still_has_aal2(
        self, phone: Authenticator, client: Client
    ) -> None:
        tokens = await phone.log_in(client)

        renewed = (await refresh(client, tokens["refresh_token"])).json()

        assert claims(renewed["access_token"])["acr"] == "aal2"
