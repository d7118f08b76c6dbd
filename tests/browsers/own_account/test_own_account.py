"""The account page, in a real browser."""

from datetime import timedelta

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
from tests.browsers.own_account.account_page import says, shows_account
from tests.support.people import People

AXE = ROOT / "clients" / "node_modules" / "axe-core" / "axe.min.js"
NEW_PASSWORD = "four grey herons at noon"
RUN_AXE = """
return axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
  violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html)}`));
"""
# This script holds the request for the second factors. After a refresh, it marks the
# page when the promises that wait for the answer have ended.
HOLD = """
const send = window.fetch;
window.fetch = async (url, options) => {
  if (url.endsWith("/auth/mfa")) {
    await new Promise((resolve) => {
      window.release = resolve;
      document.body.dataset.held = true;
    });
  }
  const answer = await send(url, options);
  const read = answer.json.bind(answer);
  answer.json = async () => {
    const content = await read();
    if (url.endsWith("/auth/refresh")) {
      setTimeout(() => { document.body.dataset.renewed = true; });
    }
    return content;
  };
  return answer;
};
"""
WIDTH = "return document.documentElement.scrollWidth"
REVEAL = """
for (const part of document.querySelectorAll("[data-result], #second-step")) {
  part.hidden = false;
}
"""


async def items(browser: Browser, section: str) -> int:
    script = "return document.querySelectorAll(`#${arguments[0]} li:not(.none)`).length"
    return int(await browser.run(script, section))


async def age_session(app: FastAPI, account: User) -> None:
    """Move the last password check of the session into the past."""
    async with transaction(app.state.shared.database) as session:
        statement = update(AuthSession).where(AuthSession.user_id == account.id)
        long_ago = utc_now() - timedelta(minutes=11)
        await session.execute(statement.values(auth_time=long_ago))


async def test_lets_users_look_after_their_account(
    app: FastAPI, signed_in: Browser, people: People, page: str, account: User
) -> None:
    """Mutant: do not repeat an action after the user has confirmed the password."""
    browser = signed_in
    other = await people.log_in(account)
    await browser.visit(page)  # the cookie continues the session
    await shows_account(browser, account)
    await browser.until("document.querySelectorAll('#sessions li').length === 2")
    await browser.until("sessions.textContent.includes('Chrome on Linux')")
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
    # The console shows requests that the service refused, which is right here. It would
    # also show violations of the security policy.
    assert not [e for e in await browser.errors() if "Failed to load resource" not in e]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_ignores_an_answer_that_comes_after_the_sign_out(
    signed_in: Browser,
) -> None:
    """Mutant: end the session again after a late 401, which empties the login form."""
    browser = signed_in
    await browser.run(HOLD)
    await browser.click("#sessions > button")
    await browser.until("window.release")
    await browser.click("#sign-out")
    await says(browser, "#account", "signed out")
    await browser.fill("#sign-in", email="ada@example.org")
    await browser.run("release()")
    await browser.until("document.body.dataset.renewed")

    field = "return document.querySelector('#email').value"
    assert await browser.run(field) == "ada@example.org"
    await says(browser, "#account", "signed out")


@pytest.mark.skipif(not AXE.exists(), reason="axe-core: run `npm ci` in clients/")
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_is_accessible_on_a_small_screen(
    browser: Browser, page: str, account: User
) -> None:
    """Mutants: remove a label; write grey text on grey; show a wide table."""
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
