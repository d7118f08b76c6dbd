"""The example of `docs/browsers.md`, in a real browser.

The page and the API have different ports, so that the browser asks for CORS. The
browser treats `localhost` and `127.0.0.1` as different sites.
"""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

from app.db.models.auth_session import AuthSession
from app.db.session import transaction
from testbed.accounts import PASSWORD
from testbed.browser import Browser
from testbed.service import ROOT
from testbed.serving import serving
from tests.support.people import People

EXAMPLE = ROOT / "docs" / "examples" / "browser.html"
REFRESH = """
const [url, mode, headers] = arguments;
return fetch(url + "/auth/refresh", {
  method: "POST", credentials: "include", body: "{}", mode, headers,
}).then((answer) => answer.status, () => "blocked");
"""
# Open the page in frames, which share the cookie and the locks like tabs.
FRAMES = """
const open = () => new Promise((resolve) => {
  const frame = document.createElement("iframe");
  frame.onload = () => {
    const status = frame.contentDocument.querySelector("[role=status]");
    const look = () => status.textContent && resolve(status.textContent);
    new MutationObserver(look).observe(status, { childList: true });
    look();
  };
  frame.src = location;
  document.body.append(frame);
});
return Promise.all(Array(arguments[0]).fill().map(open));
"""
JSON = {"Content-Type": "application/json"}
BY_COOKIE = {**JSON, "X-Token-Transport": "cookie"}


class Page:
    """Serves the example, which calls the API at a port of this test."""

    html = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await HTMLResponse(self.html)(scope, receive, send)


page = Page()


@pytest.fixture
async def port() -> AsyncGenerator[int]:
    async with serving(page) as port:
        yield port


@pytest.fixture
def overrides(port: int) -> dict[str, Any]:
    return {"cors_allowed_origins": [f"http://localhost:{port}"]}


@pytest.fixture
async def api(app: FastAPI) -> AsyncGenerator[str]:
    async with serving(app) as port:
        api = f"http://localhost:{port}/api/v1"
        page.html = EXAMPLE.read_text().replace("http://localhost:8000/api/v1", api)
        yield api


def says(text: str) -> str:
    return f"document.querySelector('[role=status]')?.textContent.includes('{text}')"


async def test_keeps_the_session_without_a_token_that_a_script_can_read(
    people: People, port: int, api: str, browser: Browser
) -> None:
    """Mutants: set the cookie without HttpOnly; allow CORS without credentials."""
    account = await people.add()
    assert len(EXAMPLE.read_text().splitlines()) <= 50
    await browser.visit(f"http://localhost:{port}")
    await browser.until(says("Signed out"))
    await browser.fill(email=account.email, password="wrong")
    await browser.click("form button")
    await browser.until(says("is wrong"))
    await browser.fill(password=PASSWORD)
    await browser.click("form button")
    await browser.until(says(account.email))

    await browser.visit(f"http://localhost:{port}")

    await browser.until(says(account.email))
    assert await browser.run("return document.cookie") == ""
    assert await browser.run("return localStorage.length + sessionStorage.length") == 0
    # Chromium treats http://localhost as secure, so `__Host-` works in development.
    [cookie] = await browser.cookies()
    assert (cookie["name"], cookie["httpOnly"]) == ("__Host-app_rt", True)
    assert (cookie["secure"], cookie["sameSite"]) == (True, "Strict")

    await browser.visit(f"http://127.0.0.1:{port}")  # another site
    for mode, headers, outcome in (
        ("cors", BY_COOKIE, "blocked"),  # by the preflight
        ("cors", JSON, "blocked"),
        ("no-cors", {"Content-Type": "text/plain"}, 0),  # sent, without the cookie
    ):
        assert await browser.run(REFRESH, api, mode, headers) == outcome

    await browser.visit(f"http://localhost:{port}")
    await browser.until(says(account.email))
    await browser.click("#out")
    await browser.until(says("Signed out"))
    await browser.visit(f"http://localhost:{port}")
    await browser.until(says("Signed out"))
    assert await browser.cookies() == []


async def test_lets_tabs_refresh_one_after_the_other(
    people: People, port: int, api: str, browser: Browser
) -> None:
    """Mutant: refresh without the lock, so that a tab can send an old cookie."""
    account = await people.add()
    await browser.visit(f"http://localhost:{port}")
    await browser.until(says("Signed out"))
    await browser.fill(email=account.email, password=PASSWORD)
    await browser.click("form button")
    await browser.until(says(account.email))

    answers = await browser.run(FRAMES, 8)

    assert answers == [f"Hello {account.email}"] * 8
    # Each refresh makes a new generation, unless its cookie was used before.
    generation = select(AuthSession.generation).where(AuthSession.user_id == account.id)
    async with transaction(people.app.state.shared.database) as session:
        assert await session.scalar(generation) == 8
