"""The passkeys of a user: renaming and removing them."""

from fastapi import FastAPI

from testbed.mailbox import mailed
from tests.support.passkeys import log_in, login_options, register, send
from tests.support.people import Client, People
from tests.support.sessions import is_logged_in


class TestOwnPasskeys:
    async def test_can_be_renamed_and_removed_only_by_their_owner(
        self, app: FastAPI, people: People, user: Client
    ) -> None:
        """Mutant: find a passkey without its owner."""
        await register(user)
        other = await people.sign_in()
        [passkey] = (await user.get("/auth/passkeys")).json()["items"]
        path, absent = (
            f"/auth/passkeys/{passkey['id']}",
            f"/auth/passkeys/{user.user_id}",
        )

        for method in ("PATCH", "DELETE"):
            body = {"name": "Mine"} if method == "PATCH" else None
            other.headers["X-Request-ID"] = "the-same-id"
            theirs = await other.request(method, path, json=body)
            unknown = await other.request(method, absent, json=body)
            assert theirs.status_code == 404
            assert theirs.content == unknown.content
        assert (await other.get("/auth/passkeys")).json() == {"items": []}

        renamed = await user.patch(path, json={"name": "Work laptop"})
        assert renamed.json() == {**passkey, "name": "Work laptop"}
        assert (await user.delete(path)).status_code == 204
        assert (await user.get("/auth/passkeys")).json() == {"items": []}
        events = (await user.get("/users/me/security-events")).json()["items"]
        assert [each["event"] for each in events[:2]] == [
            "account.passkey.removed",
            "account.passkey.renamed",
        ]
        # The two mails are about adding and removing. Renaming sends no mail.
        assert await mailed(app) == [("sign_in_changed", user.email)] * 2

    async def test_are_erased_with_the_account(
        self, app: FastAPI, admin: Client, user: Client, client: Client
    ) -> None:
        passkey = await register(user)

        path = f"/users/{user.user_id}"
        tag = (await admin.get(path)).headers["ETag"]

        gone = await admin.delete(path, headers={"If-Match": tag})

        assert gone.status_code == 204
        credential = passkey.get(await login_options(client))
        login = await client.post(
            "/auth/passkeys/login", json={"credential": credential}
        )
        assert login.json()["code"] == "passkey_refused"


class TestRemovedPasskey:
    async def test_and_its_sessions_end_at_the_next_request(
        self, people: People, user: Client, client: Client
    ) -> None:
        passkey = await register(user)
        signed_in = (await log_in(client, passkey)).json()
        ready = passkey.get(await login_options(client))
        [row] = (await user.get("/auth/passkeys")).json()["items"]

        assert (await user.delete(f"/auth/passkeys/{row['id']}")).status_code == 204

        assert not await is_logged_in(client, signed_in["access_token"])
        assert (await send(client, ready)).json()["code"] == "passkey_refused"
        assert (await user.get("/users/me")).status_code == 200
