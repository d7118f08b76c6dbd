"""Sign-in with a provider to an account that has an authenticator app."""

from fastapi import FastAPI

from tests.api.external_identities.browser import authorize, link, sign_in
from tests.api.external_identities.provider import Provider
from tests.support.people import Client
from tests.support.totp import enrol, finish


class TestLinkedAccount:
    async def test_with_a_second_factor_still_asks_for_it(
        self, app: FastAPI, client: Client, user: Client, provider: Provider
    ) -> None:
        """Mutant: accept the sign-in as the second factor of the account."""
        await link(user, provider)
        phone = await enrol(app, user)

        answer = await sign_in(client, provider)

        assert answer.status_code == 200
        assert answer.json()["status"] == "mfa_required"
        token = answer.json()["mfa_token"]
        second = await finish(client, token, code=await phone.code())
        me = (await authorize(client, second).get("/users/me")).json()
        assert me["id"] == user.user_id
