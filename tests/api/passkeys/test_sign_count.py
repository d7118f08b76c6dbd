"""Authenticators that count their signatures, and clones of such authenticators."""

from tests.support.passkeys import Authenticator, log_in, register
from tests.support.people import Client


class TestSignCount:
    async def test_that_does_not_grow_is_refused_and_recorded(
        self, user: Client, client: Client, admin: Client
    ) -> None:
        """Mutant: store the count without comparing it."""
        passkey = await register(user, Authenticator(counts=True, sign_count=7))
        assert (await log_in(client, passkey)).status_code == 200  # 8
        passkey.sign_count = 7
        clone = await log_in(client, passkey)
        passkey.sign_count = 3
        older_clone = await log_in(client, passkey)
        passkey.sign_count = 8

        assert (clone.status_code, older_clone.status_code) == (401, 401)
        assert (await log_in(client, passkey)).status_code == 200
        query = {
            "event": "account.passkey.clone_suspected",
            "subject_id": user.user_id,
        }
        events = (await admin.get("/audit-events", params=query)).json()["items"]
        assert [each["outcome"] for each in events] == ["failure"] * 2

    async def test_of_a_forged_signature_suspects_no_clone(
        self, user: Client, client: Client, admin: Client
    ) -> None:
        """Mutant: compare the count, which anyone can forge, before the signature."""
        passkey = await register(user, Authenticator(sign_count=7))
        passkey.key = Authenticator().key
        passkey.sign_count = 1

        await log_in(client, passkey)

        query = {"event": "account.passkey.clone_suspected"}
        events = (await admin.get("/audit-events", params=query)).json()["items"]
        assert events == []
