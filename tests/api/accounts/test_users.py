"""The account of the caller, and the administration of accounts."""

from typing import Any

import pytest

from testbed.accounts import PASSWORD
from tests.support.people import Client, People

NEW = {"email": "new@example.org", "password": "violet umbrella parade"}


class TestMe:
    async def test_shows_the_account(self, user: Client) -> None:
        response = await user.get("/users/me")

        assert response.status_code == 200
        me = response.json()
        assert (me["id"], me["email"], me["role"]) == (user.user_id, user.email, "user")
        assert set(me) == {
            *("id", "email", "full_name", "role", "is_active"),
            *("email_verified", "created_at", "updated_at"),
        }
        headers = {"If-None-Match": response.headers["etag"]}
        assert (await user.get("/users/me", headers=headers)).status_code == 304

    @pytest.mark.parametrize(
        ("header", "error"),
        [
            (None, None),
            ("Basic YTpi", None),
            ("Bearer x", "invalid_token"),
            ("Bearer a.b.c", "invalid_token"),
        ],
    )
    async def test_needs_a_token(
        self, client: Client, header: str | None, error: str | None
    ) -> None:
        headers = {"Authorization": header} if header else {}
        response = await client.get("/users/me", headers=headers)

        assert response.status_code == 401
        challenge = response.headers["www-authenticate"]
        assert challenge.startswith("Bearer")
        assert ("invalid_token" in challenge) is (error is not None)

    async def test_ignores_a_token_in_the_url(self, user: Client) -> None:
        token = user.tokens["access_token"]
        del user.headers["authorization"]

        response = await user.get(f"/users/me?access_token={token}")

        assert response.status_code == 401

    async def test_changes_the_name_and_nothing_else(self, user: Client) -> None:
        changed = await user.patch("/users/me", json={"full_name": "Ada"})
        assert changed.json()["full_name"] == "Ada"
        cleared = await user.patch("/users/me", json={"full_name": None})
        assert cleared.json()["full_name"] is None

        for field, value in {
            "role": "admin",
            "is_active": False,
            "email_verified": True,
            "id": user.user_id,
            "password_hash": "x",
        }.items():
            response = await user.patch("/users/me", json={field: value})
            assert response.status_code == 422
        assert (await user.get("/users/me")).json()["role"] == "user"

    async def test_is_deleted_with_its_sessions(self, user: Client) -> None:
        wrong = await user.request("DELETE", "/users/me", json={"password": "wrong"})
        assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_credentials")

        right = await user.request("DELETE", "/users/me", json={"password": PASSWORD})

        assert right.status_code == 204
        assert (await user.get("/users/me")).status_code == 401
        refresh = await user.post(
            "/auth/refresh", json={"refresh_token": user.tokens["refresh_token"]}
        )
        assert refresh.status_code == 401


class TestAdministration:
    async def test_is_for_administrators(self, editor: Client, client: Client) -> None:
        url = f"/users/{editor.user_id}"
        for method, path in [
            ("GET", "/users"),
            ("POST", "/users"),
            ("GET", url),
            ("PATCH", url),
            ("DELETE", url),
        ]:
            body: dict[str, Any] = {"json": NEW} if method in {"POST", "PATCH"} else {}
            refused = await editor.request(method, path, **body)
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
            assert (await client.request(method, path, **body)).status_code == 401

    async def test_creates_an_account(self, admin: Client) -> None:
        response = await admin.post("/users", json={**NEW, "role": "editor"})

        assert response.status_code == 201
        account = response.json()
        assert account["role"] == "editor"
        url = "http://test" + response.headers["location"]
        assert (await admin.get(url)).json() == account
        again = await admin.post("/users", json=NEW)
        assert (again.status_code, again.json()["code"]) == (409, "email_taken")

    async def test_finds_accounts(self, admin: Client, people: People) -> None:
        await people.add("editor", email="a_b@example.net", full_name="Grace Hopper")
        await people.add("user", email="axb@example.net", is_active=False)
        await people.add("user", email="emile@example.org", full_name="ÉMILE Zola")

        async def found(**parameters: str) -> list[str]:
            response = await admin.get("/users", params=parameters)
            return sorted(user["email"] for user in response.json()["items"])

        assert await found(q="HOPPER") == ["a_b@example.net"]
        assert await found(q="a_b@") == ["a_b@example.net"]
        assert await found(q="%") == []
        for q in ("ÉMILE", "émile", "Émile z"):
            assert await found(q=q) == ["emile@example.org"]
        assert await found(q=" ") == await found(q="") == await found()
        assert len(await found()) == 4
        assert await found(is_active="false") == ["axb@example.net"]
        assert await found(role="admin") == [admin.email]
        assert await found(q="example.net", role="user") == ["axb@example.net"]

    async def test_pages_from_the_newest(self, admin: Client, people: People) -> None:
        for _ in range(5):
            await people.add()
        seen: list[str] = []
        parameters = {"limit": "2"}
        while True:
            page = (await admin.get("/users", params=parameters)).json()
            seen += [user["created_at"] for user in page["items"]]
            if page["next_cursor"] is None:
                break
            parameters["cursor"] = page["next_cursor"]

        assert len(seen) == 6
        assert seen == sorted(seen, reverse=True)

    async def test_a_role_changes_at_the_next_request(
        self, admin: Client, user: Client
    ) -> None:
        url = f"/users/{user.user_id}"
        assert (await user.get("/users")).status_code == 403

        await admin.patch(url, json={"role": "admin"})
        assert (await user.get("/users")).status_code == 200

        await admin.patch(url, json={"role": "user"})
        assert (await user.get("/users")).status_code == 403

    async def test_deactivation_ends_every_session(
        self, admin: Client, user: Client
    ) -> None:
        url = f"/users/{user.user_id}"
        tokens = {"refresh_token": user.tokens["refresh_token"]}

        response = await admin.patch(url, json={"is_active": False})

        assert response.json()["is_active"] is False
        assert (await user.get("/users/me")).status_code == 401
        assert (await user.post("/auth/refresh", json=tokens)).status_code == 401
        login = {"email": user.email, "password": PASSWORD}
        assert (await user.post("/auth/login", json=login)).status_code == 401
        await admin.patch(url, json={"is_active": True})
        assert (await user.get("/users/me")).status_code == 401
        assert (await user.post("/auth/login", json=login)).status_code == 200

    async def test_keeps_the_last_administrator(self, admin: Client) -> None:
        url = f"/users/{admin.user_id}"
        for refused in (
            await admin.patch(url, json={"role": "user"}),
            await admin.patch(url, json={"is_active": False}),
            await admin.delete(url),
            await admin.request("DELETE", "/users/me", json={"password": PASSWORD}),
        ):
            assert (refused.status_code, refused.json()["code"]) == (409, "last_admin")
        assert (await admin.get("/users")).status_code == 200

    async def test_refuses_a_stale_version(self, admin: Client, user: Client) -> None:
        url = f"/users/{user.user_id}"
        first = (await admin.get(url)).headers["etag"]
        await admin.patch(url, json={"full_name": "A"}, headers={"If-Match": first})

        stale = await admin.patch(
            url, json={"full_name": "B"}, headers={"If-Match": first}
        )

        assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")

    @pytest.mark.parametrize("path", ["/users/me", "/users/{id}"])
    async def test_deletes_only_the_version_that_if_match_names(
        self, admin: Client, user: Client, path: str
    ) -> None:
        """RFC 9110 §13.2.1. Without `If-Match` a DELETE removes any version."""
        client = user if path == "/users/me" else admin
        body = {"password": PASSWORD} if path == "/users/me" else None
        url = path.format(id=user.user_id)
        tag = (await client.get(url)).headers["etag"]

        answers = [
            await client.request("DELETE", url, json=body, headers={"If-Match": given})
            for given in ('"v99"', "v1", tag)
        ]

        codes = [each.json()["code"] for each in answers[:2]]
        assert codes == ["precondition_failed", "if_match_invalid"]
        assert [each.status_code for each in answers] == [412, 400, 204]
