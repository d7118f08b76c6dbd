"""The account page, in a real browser."""

from collections.abc import AsyncGenerator
from datetime import timedelta

import pyotp
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from app.db.base import utc_now
from app.db.models.auth_session import AuthSession
from app.db.models.user import User
from app.db.session import transaction
from testbed.accounts import PASSWORD
from testbed.browser import Browser
from testbed.service import ROOT
from testbed.serving import serving
from tests.support.people import Client, People

AXE = ROOT / "clients" / "node_modules" / "axe-core" / "axe.min.js"
NEW_PASSWORD = "four grey herons at noon"
# The API that the page calls is tested on both databases.
ONCE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
RUN_AXE = """
return axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
  violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html)}`));
"""
WIDTH = "return document.documentElement.scrollWidth"
REVEAL = """
for (const part of document.querySelectorAll("[data-result], #second-step")) {
  part.hidden = false;
}
"""


@pytest.fixture
async def page(app: FastAPI) -> AsyncGenerator[str]:
    async with serving(app) as port:
        yield f"http://localhost:{port}/account"


@pytest.fixture
async def account(people: People) -> User:
    return await people.add(email="ada@example.org")


@pytest.fixture
async def signed_in(browser: Browser, page: str, account: User) -> Browser:
    await browser.visit(page)
    await browser.until("!document.querySelector('#signed-out').hidden")
    await browser.fill(email=account.email, password=PASSWORD)
    await browser.click("#sign-in button")
    await shows_account(browser, account)
    return browser


async def shows_account(browser: Browser, account: User) -> None:
    await browser.until(
        f"document.querySelector('#signed-in b').textContent === '{account.email}'"
    )


async def says(browser: Browser, section: str, text: str) -> None:
    await browser.until(
        f"document.querySelector('{section} > [role=status]')"
        f".textContent.includes('{text}')"
    )


async def items(browser: Browser, section: str) -> int:
    script = "return document.querySelectorAll(`#${arguments[0]} li:not(.none)`).length"
    return int(await browser.run(script, section))


async def age_session(app: FastAPI, account: User) -> None:
    """Make it long ago that the user gave the password."""
    async with transaction(app.state.shared.database) as session:
        statement = update(AuthSession).where(AuthSession.user_id == account.id)
        long_ago = utc_now() - timedelta(minutes=11)
        await session.execute(statement.values(auth_time=long_ago))


async def test_lets_users_look_after_their_account(
    app: FastAPI, signed_in: Browser, people: People, page: str, account: User
) -> None:
    browser = signed_in
    other = await people.log_in(account)
    await browser.visit(page)  # the session goes on by the cookie
    await shows_account(browser, account)
    await browser.until("document.querySelectorAll('#sessions li').length === 2")
    await age_session(app, account)

    await browser.click("#sessions li button:not([hidden])")
    await browser.accept()
    await browser.until("document.querySelector('#confirm').open")
    await browser.fill("#confirm", password="wrong")
    await browser.click("#confirm button")
    await browser.until(
        "document.querySelector('#confirm [role=status]').textContent.includes('wrong')"
    )
    await browser.fill("#confirm", password=PASSWORD)
    await browser.click("#confirm button")
    await browser.until("document.querySelectorAll('#sessions li').length === 1")
    assert (await other.get("/users/me")).status_code == 401

    await browser.fill(current_password=PASSWORD, new_password="aaaaaaaaaaaa")
    await browser.click("#password button")
    await says(browser, "#password", "repeats")
    await browser.fill(new_password=NEW_PASSWORD)
    await browser.click("#password button")
    await says(browser, "#password", "changed")
    assert await items(browser, "security_events") >= 4

    await browser.click("#sign-out")
    await says(browser, "#account", "signed out")
    assert await browser.cookies() == []
    await browser.fill(email=account.email, password=NEW_PASSWORD)
    await browser.click("#sign-in button")
    await shows_account(browser, account)
    await browser.fill("#deletion", password=NEW_PASSWORD)
    await browser.click("#deletion button")
    await browser.accept()
    await says(browser, "#account", "deleted")
    # A refused request is an error for the console; a breach of the policy is one, too.
    assert not [e for e in await browser.errors() if "Failed to load resource" not in e]


@ONCE
async def test_sets_up_a_second_factor_and_asks_for_it(
    signed_in: Browser, page: str, account: User
) -> None:
    browser = signed_in
    await browser.click("#totp [data-into='#totp-secret']")
    secret = await browser.until("document.querySelector('#totp code').textContent")
    await browser.fill("#totp", code=pyotp.TOTP(secret).now())
    await browser.click("#totp form button")
    await says(browser, "#totp", "second factor now")
    codes = (await browser.run("return totp.querySelector('pre').textContent")).split()
    assert len(codes) == 10
    await browser.until("second_factors.textContent.includes('totp')")

    await browser.click("#sign-out")
    await says(browser, "#account", "signed out")
    assert codes[0] not in await browser.run("return document.body.innerHTML")
    await browser.fill(email=account.email, password=PASSWORD)
    await browser.click("#sign-in button")
    await browser.until("!document.querySelector('#second-step').hidden")
    await browser.fill("#second-step", code="000000")
    await browser.click("#second-step button")
    await says(browser, "#account", "The code is wrong")
    await browser.fill("#second-step", code=codes[0])
    await browser.click("#second-step button")
    await shows_account(browser, account)
    await browser.until("second_factors.textContent.includes('left: 9')")


@ONCE
async def test_makes_an_api_key_that_works(
    signed_in: Browser, page: str, client: Client
) -> None:
    browser = signed_in
    await browser.fill("#api_keys", name="Nightly import")
    await browser.click("#api_keys [value='account:read']")
    await browser.click("#api_keys form button")
    key = await browser.until("document.querySelector('#new-api-key code').textContent")
    bearer = {"Authorization": f"Bearer {key}"}
    assert (await client.get("/users/me", headers=bearer)).status_code == 200

    await browser.click("#api_keys li button")
    await browser.accept()
    await says(browser, "#api_keys", "revoked")
    assert (await client.get("/users/me", headers=bearer)).status_code == 401
    assert key not in await browser.run("return document.body.innerHTML")


@pytest.mark.skipif(not AXE.exists(), reason="axe-core: run `npm ci` in clients/")
@ONCE
async def test_is_accessible_on_a_small_screen(
    browser: Browser, page: str, account: User
) -> None:
    """Mutants: a field without a label; grey text on grey; a wide table."""
    await browser.visit(page)
    await browser.until("!document.querySelector('#signed-out').hidden")
    await assert_accessible(browser)
    await browser.fill(email=account.email, password=PASSWORD)
    await browser.click("#sign-in button")
    await shows_account(browser, account)
    await assert_accessible(browser)
    await browser.run("document.querySelector('#confirm').showModal()")
    await assert_accessible(browser)


async def assert_accessible(browser: Browser) -> None:
    await browser.run(AXE.read_text() + REVEAL)
    for scheme in ("light", "dark"):
        await browser.emulate(360, scheme)
        assert await browser.run(RUN_AXE) == []
        assert await browser.run(WIDTH) == 360
