"""Requests that another site makes the browser send, with the cookie of the user."""

import pytest

from app.db.models.user import User
from tests.api.browser_sessions.browser import (
    BY_COOKIE,
    LISTED,
    NAME,
    NO_TOKEN,
    OURS,
    log_in,
    send,
    token_in,
)
from tests.support.people import Client

FROM = "Sec-Fetch-Site"
TRUSTED: list[dict[str, str]] = [
    {FROM: "same-origin"},
    {FROM: "same-site", "Origin": LISTED},
    {FROM: "cross-site", "Origin": LISTED},
    {"Origin": LISTED},
    {"Origin": "http://test"},
]
FORGED: list[dict[str, str]] = [
    {},
    {FROM: "same-site"},
    {FROM: "same-site", "Origin": "https://evil.example.com"},
    {FROM: "cross-site", "Origin": "https://evil.test"},
    {FROM: "cross-site", "Origin": "http://test"},
    {FROM: "none"},
    {FROM: "none", "Origin": LISTED},
    {FROM: "", "Origin": "https://evil.test"},
    {"Origin": "null"},
    {"Origin": "https://test"},
    {"Origin": "http://test.evil.test"},
    {"Origin": "http://test:8080"},
]


@pytest.mark.parametrize("path", ["refresh", "logout"])
class TestForgery:
    """Cross-site request forgery (CSRF)."""

    async def test_is_not_suspected_when_a_trusted_page_sends(
        self, client: Client, account: User, path: str
    ) -> None:
        for headers in TRUSTED:
            token = token_in(await log_in(client, account))
            answer = await send(client, path, token, {**BY_COOKIE, **headers})
            assert answer.status_code in {200, 204}, headers

    async def test_from_another_page_is_refused_and_changes_nothing(
        self, client: Client, token: str, path: str
    ) -> None:
        """Mutants: accept a missing Origin; trust the Origin, whatever the site is."""
        for headers in FORGED:
            answer = await send(client, path, token, {**BY_COOKIE, **headers})
            assert answer.status_code == 403, headers
            assert answer.json()["code"] == "csrf_failed"
            assert "set-cookie" not in answer.headers
        token_in(await send(client, "refresh", token))

    async def test_by_a_form_is_refused(
        self, client: Client, token: str, path: str
    ) -> None:
        """Mutant: read a body of any media type.

        A form needs no preflight, so another site can send it.
        """
        cookie = {"Cookie": f"{NAME}={token}", FROM: "same-origin"}
        for kind, headers, status in (
            ("text/plain", BY_COOKIE, 415),
            ("application/x-www-form-urlencoded", BY_COOKIE, 415),
            ("application/json", {}, 403),  # without the header that forces a preflight
            ("application/json", {"X-Token-Transport": "body"}, 403),
        ):
            sent = {"Content-Type": kind, **cookie, **headers}
            answer = await client.post(f"/auth/{path}", content="{}", headers=sent)
            assert answer.status_code == status, (kind, headers)

    async def test_is_refused_at_the_preflight(self, client: Client, path: str) -> None:
        asked = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type, x-token-transport",
        }
        for origin, status in ((LISTED, 200), ("https://evil.test", 400)):
            headers = {**asked, "Origin": origin}
            answer = await client.options(f"/auth/{path}", headers=headers)
            assert answer.status_code == status

    async def test_with_two_tokens_is_refused(
        self, client: Client, token: str, path: str
    ) -> None:
        """Mutants: take the last of two cookies; prefer the body to the cookie."""
        twice = {"Cookie": f"{NAME}=app_rt_x; {NAME}={token}", **OURS}
        both = {"Cookie": f"{NAME}={token}", **OURS}
        for headers, body in (
            (twice, NO_TOKEN),
            (both, {"refresh_token": token}),
        ):
            answer = await client.post(f"/auth/{path}", json=body, headers=headers)
            assert answer.status_code == 400
            assert answer.json()["code"] == "ambiguous_credentials"
        token_in(await send(client, "refresh", token))
