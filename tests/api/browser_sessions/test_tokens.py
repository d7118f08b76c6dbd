"""Sessions of browsers: the refresh token is in a cookie."""

import asyncio
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from app.api.authorization import public
from app.api.openapi.examples import nested
from app.api.routes import api_router
from app.db.models.user import User
from app.schemas.auth import CheckEmail, TokenPair
from testbed.accounts import PASSWORD
from tests.api.browser_sessions.browser import (
    BY_COOKIE,
    NAME,
    NO_TOKEN,
    OURS,
    deletes_cookie,
    log_in,
    send,
    token_in,
)
from tests.support.declared import document
from tests.support.people import Client, People
from tests.support.sessions import only_session, refresh

NEW_PASSWORD = "four grey herons at noon"


class TestTokenPair:
    async def test_of_every_operation_is_in_the_cookie(
        self, client: Client, people: People, account: User
    ) -> None:
        """Mutant: put the token into the cookie only at a login."""
        answer = await log_in(client, account)
        tokens = {token_in(answer)}
        for path, body in (
            ("reauthenticate", {"password": PASSWORD}),
            (
                "password/change",
                {"current_password": PASSWORD, "new_password": NEW_PASSWORD},
            ),
        ):
            bearer = f"Bearer {answer.json()['access_token']}"
            headers = {**BY_COOKIE, "Authorization": bearer}
            answer = await client.post(f"/auth/{path}", json=body, headers=headers)
            tokens.add(token_in(answer))
        tokens.add(token_in(await send(client, "refresh", token_in(answer))))

        assert len(tokens) == 4

    async def test_is_in_the_body_by_default(
        self, client: Client, account: User
    ) -> None:
        body = {"email": account.email, "password": PASSWORD}
        for headers in ({}, {"X-Token-Transport": "body"}):
            answer = await client.post("/auth/login", json=body, headers=headers)
            assert answer.json()["refresh_token"].startswith("app_rt_")
            assert "set-cookie" not in answer.headers

    async def test_of_an_unknown_transport_is_refused(
        self, client: Client, account: User
    ) -> None:
        """Mutant: treat a misspelt `cookies` as `body`, where scripts can read it."""
        body = {"email": account.email, "password": PASSWORD}
        headers = {"X-Token-Transport": "cookies"}
        answer = await client.post("/auth/login", json=body, headers=headers)

        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "header/x-token-transport"

    async def test_of_a_new_endpoint_is_in_the_cookie_automatically(
        self, app: FastAPI, client: Client
    ) -> None:
        """Mutant: recognise only a response model that is `TokenPair` itself."""
        router = api_router("/new-way", tags=["auth"])
        pair = TokenPair(access_token="a", refresh_token="r", expires_in=1)

        @router.post("/in", openapi_extra=public("A test."))
        async def sign_in(second: bool = False) -> TokenPair | CheckEmail:
            return CheckEmail() if second else pair

        app.include_router(router, prefix="/api/v1")
        answer = await client.post("/new-way/in", headers=BY_COOKIE)
        assert token_in(answer) == "r"
        answer = await client.post("/new-way/in?second=true", headers=BY_COOKIE)
        assert answer.json() == {"status": "check_email"}
        assert "set-cookie" not in answer.headers

    def test_has_the_transport_header_in_the_openapi_document(self) -> None:
        """Mutant: leave the header out of one operation of the document."""
        found = 0
        for path, operation in operations():
            names = {each["name"] for each in operation.get("parameters", ())}
            if answers(operation, "access_token"):
                found += 1
                assert "x-token-transport" in names, path
            elif path != "/api/v1/auth/logout":
                assert "x-token-transport" not in names, path
        assert found >= 4


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document()["paths"].items():
        for operation in methods.values():
            yield path, operation


def answers(operation: dict[str, Any], member: str) -> bool:
    """Whether the 200 response of the operation has a member of this name."""
    schemas = document()["components"]["schemas"]
    given = operation["responses"].get("200", {}).get("content", {})
    names = [
        part["$ref"].rpartition("/")[2] for part in nested(given) if "$ref" in part
    ]
    return any(member in schemas.get(name, {}).get("properties", ()) for name in names)


class TestRefreshByCookie:
    async def test_rotates_as_with_a_token_in_the_body(
        self, client: Client, token: str
    ) -> None:
        second = token_in(await send(client, "refresh", token))
        third = token_in(await send(client, "refresh", second))
        assert len({token, second, third}) == 3

        stolen = await send(client, "refresh", token)

        assert (stolen.status_code, deletes_cookie(stolen)) == (401, True)
        dead = await send(client, "refresh", third)
        assert dead.json()["code"] == "refresh_token_invalid"

    async def test_of_many_tabs_at_once_gives_one_successor(
        self, people: People, token: str
    ) -> None:
        """Mutant: rotate for each tab, so that all tabs but one lose the session."""
        tabs = [await people.anonymous() for _ in range(20)]

        raced = await asyncio.gather(*(send(tab, "refresh", token) for tab in tabs))

        [successor] = {token_in(answer) for answer in raced}
        token_in(await send(tabs[0], "refresh", successor))

    async def test_without_a_session_is_refused(self, client: Client) -> None:
        for body in (NO_TOKEN, {"refresh_token": "app_rt_x"}):
            answer = await client.post("/auth/refresh", json=body, headers=OURS)
            assert answer.status_code == 401
            assert "set-cookie" not in answer.headers

    async def test_never_answers_with_the_token_in_the_body(
        self, client: Client, token: str
    ) -> None:
        """Mutant: accept `body`, so that a script of an attacker can read the token."""
        for headers in ({}, {"X-Token-Transport": "body"}):
            sent = {"Sec-Fetch-Site": "same-origin", **headers}
            answer = await send(client, "refresh", token, sent)
            assert token not in answer.text
            assert "refresh_token" not in answer.json()
            assert answer.status_code in {403, 422}

    async def test_without_any_token_names_the_missing_member(
        self, client: Client
    ) -> None:
        answer = await client.post("/auth/refresh", json=NO_TOKEN)

        assert answer.status_code == 422
        [fault] = answer.json()["errors"]
        assert (fault["pointer"], fault["code"]) == ("#/refresh_token", "missing")


class TestLogoutByCookie:
    async def test_ends_the_session_and_clears_the_browser(
        self, client: Client, token: str
    ) -> None:
        answer = await send(client, "logout", token)

        assert (answer.status_code, answer.content) == (204, b"")
        assert deletes_cookie(answer)
        assert answer.headers["clear-site-data"] == '"cache", "storage"'
        assert (await send(client, "refresh", token)).status_code == 401
        again = await send(client, "logout", token)
        assert (again.status_code, deletes_cookie(again)) == (204, True)

    async def test_is_not_done_for_a_token_in_the_body(self, user: Client) -> None:
        body = {"refresh_token": user.tokens["refresh_token"]}
        answer = await user.post("/auth/logout", json=body)

        assert answer.status_code == 204
        assert {"set-cookie", "clear-site-data"}.isdisjoint(answer.headers)


class TestCookie:
    async def test_is_no_credential_elsewhere(self, client: Client, token: str) -> None:
        """Mutant: read the cookie where an access token is expected."""
        cookie = {"Cookie": f"{NAME}={token}", **OURS}
        for method, path in (
            ("GET", "/users/me"),
            ("GET", "/auth/sessions"),
            ("POST", "/auth/logout-all"),
            ("DELETE", "/users/me"),
        ):
            answer = await client.request(method, path, headers=cookie)
            assert answer.status_code == 401, path

    async def test_can_continue_a_session_that_began_without_it(
        self, app: FastAPI, client: Client, user: Client
    ) -> None:
        """The session goes from the body to the cookie, and back to the body."""
        token = user.tokens["refresh_token"]
        body = {"refresh_token": token}
        moved = await client.post("/auth/refresh", json=body, headers=BY_COOKIE)
        successor = token_in(moved)

        assert (await only_session(app, user)).generation == 1
        assert (await refresh(client, successor)).status_code == 200
