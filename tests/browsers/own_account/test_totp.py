"""The authenticator app on the account page, in a real browser."""

import pyotp
import pytest

from app.db.models.user import User
from testbed.accounts import PASSWORD
from testbed.browser import Browser
from tests.browsers.own_account.account_page import says, shows_account

# The API that the page calls is tested on both databases.
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


async def test_sets_up_a_second_factor_and_asks_for_it(
    signed_in: Browser, page: str, account: User
) -> None:
    """Mutant: leave the recovery codes in the page after the user has signed out."""
    browser = signed_in
    await browser.click("#totp [data-into='#totp-secret']")
    secret = await browser.until("document.querySelector('#totp code').textContent")
    await browser.run("return totp.querySelector('img').decode()")  # shows the QR code
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
