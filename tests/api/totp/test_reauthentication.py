"""Reauthentication by any factor, and what the new session keeps of the old one."""

from typing import Any

import pytest

from testbed.accounts import PASSWORD
from tests.api.totp.test_login import claims
from tests.support.people import Client
from tests.support.sessions import is_logged_in
from tests.support.totp import Phone, reauthenticate, use


class TestReauthentication:
    @pytest.mark.parametrize("by", ["password", "code", "change"])
    async def test_keeps_what_the_session_has_proved(
        self, phone: Phone, client: Client, by: str
    ) -> None:
        """Mutant: give the new session only the methods of the last proof."""
        await phone.log_in(client)
        old = client.tokens["access_token"]

        if by == "password":
            answer = await reauthenticate(client, password=PASSWORD)
        elif by == "code":
            answer = await reauthenticate(client, code=await phone.code())
        else:
            body = {"current_password": PASSWORD, "new_password": "seven velvet lamps"}
            answer = await client.post("/auth/password/change", json=body)
        use(client, answer)

        access = claims(client.tokens["access_token"])
        assert (access["amr"], access["acr"]) == (["pwd", "otp", "mfa"], "aal2")
        assert access["sid"] != claims(old)["sid"]
        assert not await is_logged_in(client, old)

    async def test_by_the_password_alone_reaches_no_higher_level(
        self, user: Client
    ) -> None:
        use(user, await reauthenticate(user, password=PASSWORD))

        access = claims(user.tokens["access_token"])
        assert (access["amr"], access["acr"]) == (["pwd"], "aal1")

    @pytest.mark.parametrize(
        "proof", [{}, {"password": PASSWORD, "code": "000000"}, {"code": None}]
    )
    async def test_needs_exactly_one_answer(
        self, user: Client, proof: dict[str, Any]
    ) -> None:
        """Mutant: take the first of two answers, and ignore the other."""
        answer = await user.post("/auth/reauthenticate", json=proof)

        assert answer.status_code == 422

    async def test_by_a_factor_that_the_account_lacks_is_refused(
        self, user: Client
    ) -> None:
        answer = await reauthenticate(user, code="000000")

        assert (answer.status_code, answer.json()["code"]) == (401, "mfa_failed")
