"""Administrators need a fresh login, and get a mail about new administrators."""

import pytest
from fastapi import FastAPI

from testbed.accounts import PASSWORD
from testbed.mailbox import mailed, read_outbox
from tests.api.accounts.test_sessions import make_stale
from tests.support.people import Client, People
from tests.support.sessions import is_logged_in, refresh

NEW = {"email": "new@example.org", "password": "violet umbrella parade"}


class TestFreshness:
    async def test_is_needed_for_every_change_but_not_to_read(
        self, app: FastAPI, admin: Client, user: Client
    ) -> None:
        """Mutant: let one of these routes accept a session that is not fresh."""
        url = f"/users/{user.user_id}"
        await make_stale(app, admin)

        answers = [
            await admin.post("/users", json={**NEW, "role": "admin"}),
            await admin.patch(url, json={"role": "admin"}),
            await admin.patch(url, json={"is_active": False}),
            await admin.patch(url, json={"full_name": "Ada"}),
            await admin.delete(f"{url}/sessions"),
            await admin.delete(url),
        ]

        assert {answer.status_code for answer in answers} == {401}
        codes = {answer.json()["code"] for answer in answers}
        assert codes == {"reauthentication_required"}
        assert (await admin.get(url)).json()["role"] == "user"
        assert (await admin.get("/users")).status_code == 200
        confirmed = await admin.post(
            "/auth/reauthenticate", json={"password": PASSWORD}
        )
        token = confirmed.json()["access_token"]
        admin.headers["Authorization"] = f"Bearer {token}"
        assert (await admin.delete(url)).status_code == 204


class TestNewAdministrator:
    async def test_is_announced_to_the_others(
        self, app: FastAPI, admin: Client, people: People
    ) -> None:
        other = await people.add("admin")
        await people.add("admin", is_active=False)
        user = await people.add()

        created = await admin.post("/users", json={**NEW, "role": "admin"})
        await admin.patch(f"/users/{user.id}", json={"role": "admin"})

        announced = sorted(await mailed(app))
        assert announced == sorted(
            ("admin_added", address)
            for address in (
                *(admin.email, other.email),
                *(admin.email, other.email, NEW["email"]),
            )
        )
        accounts = {mail.context["user_id"] for mail in await read_outbox(app)}
        assert accounts == {created.json()["id"], str(user.id)}

    async def test_is_also_announced_when_the_account_is_enabled(
        self, app: FastAPI, admin: Client, people: People
    ) -> None:
        disabled = await people.add("admin", is_active=False)

        await admin.patch(f"/users/{disabled.id}", json={"is_active": True})

        assert await mailed(app) == [("admin_added", admin.email)]

    @pytest.mark.parametrize(
        ("role", "change"),
        [("user", {"role": "editor"}), ("admin", {"full_name": "Ada"})],
    )
    async def test_is_not_announced_for_another_change(
        self,
        app: FastAPI,
        admin: Client,
        people: People,
        role: str,
        change: dict[str, str],
    ) -> None:
        account = await people.add(role)

        answer = await admin.patch(f"/users/{account.id}", json=change)

        assert answer.status_code == 200
        assert await mailed(app) == []


class TestEndSessions:
    async def test_ends_all_sessions_of_one_user_and_is_recorded(
        self, admin: Client, user: Client, editor: Client, people: People
    ) -> None:
        other = await people.log_in(user.account)

        answer = await admin.delete(f"/users/{user.user_id}/sessions")

        assert answer.status_code == 204
        for each in (user, other):
            assert not await is_logged_in(each, each.tokens["access_token"])
            spent = await refresh(each, each.tokens["refresh_token"])
            assert spent.status_code == 401
        assert await is_logged_in(editor, editor.tokens["access_token"])
        await people.log_in(user.account)
        query = {"event": "session.all_revoked", "subject_id": user.user_id}
        [event] = (await admin.get("/audit-events", params=query)).json()["items"]
        assert event["actor_id"] == admin.user_id

    async def test_needs_an_administrator_and_a_known_user(
        self, admin: Client, editor: Client
    ) -> None:
        url = f"/users/{editor.user_id}/sessions"

        assert (await editor.delete(url)).status_code == 403
        unknown = await admin.delete(f"/users/{'0' * 32}/sessions")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "user_not_found")
