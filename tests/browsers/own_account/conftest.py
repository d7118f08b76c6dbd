import pytest

from app.db.models.user import User
from testbed.accounts import PASSWORD
from testbed.browser import Browser
from tests.browsers.own_account.account_page import shows_account


@pytest.fixture
async def page(site: str) -> str:
    return f"{site}/account"


@pytest.fixture
async def signed_in(browser: Browser, page: str, account: User) -> Browser:
    await browser.visit(page)
    await browser.until("!document.querySelector('#signed-out').hidden")
    await browser.fill(email=account.email, password=PASSWORD)
    await browser.click("#sign-in button")
    await shows_account(browser, account)
    return browser
