"""API keys on the account page, in a real browser."""

import pytest

from testbed.browser import Browser
from tests.browsers.own_account.account_page import says
from tests.support.people import Client

# The API that the page calls is tested on both databases.
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


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
