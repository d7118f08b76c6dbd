"""A browser that keeps its refresh token in a cookie."""

from http.cookies import SimpleCookie
from typing import Any

from httpx2 import Response

from app.db.models.user import User
from testbed.accounts import PASSWORD
from tests.support.people import Client

NAME = "__Host-app_rt"
LISTED = "https://app.example.com"
BY_COOKIE = {"X-Token-Transport": "cookie"}
OURS = {**BY_COOKIE, "Sec-Fetch-Site": "same-origin"}
NO_TOKEN: dict[str, Any] = {}


async def log_in(client: Client, account: User) -> Response:
    body = {"email": account.email, "password": PASSWORD}
    return await client.post("/auth/login", json=body, headers=BY_COOKIE)


async def send(
    client: Client, path: str, token: str, headers: dict[str, str] = OURS
) -> Response:
    sent = {"Cookie": f"theme=dark; {NAME}={token}", **headers}
    return await client.post(f"/auth/{path}", json=NO_TOKEN, headers=sent)


def token_in(answer: Response) -> str:
    """Return the token of the only cookie, which must have every protection."""
    assert answer.status_code == 200, answer.text
    assert "refresh_token" not in answer.json()
    assert answer.json()["access_token"]
    [line] = answer.headers.get_list("set-cookie")
    cookie = SimpleCookie(line)[NAME]
    assert cookie["httponly"] is cookie["secure"] is True
    assert (cookie["samesite"], cookie["path"]) == ("Strict", "/")
    assert (cookie["max-age"], cookie["domain"]) == (str(14 * 24 * 3600), "")
    assert answer.headers["cache-control"] == "no-store"
    return cookie.value


def deletes_cookie(answer: Response) -> bool:
    [line] = answer.headers.get_list("set-cookie") or [f"{NAME}=kept"]
    cookie = SimpleCookie(line)[NAME]
    return cookie.value == "" and cookie["max-age"] == "0" and bool(cookie["secure"])
