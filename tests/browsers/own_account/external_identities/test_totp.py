"""Sign-in with a provider to an account with an authenticator app, in a browser."""

import pytest
from fastapi import FastAPI

from testbed.browser import Browser
from tests.api.external_identities.provider import Provider
from tests.browsers.own_account.external_identities.test_pages import TEXT
from tests.support.people import Client, People
from tests.support.totp import enrolled

pytestmark = pytest.mark.parametrize("backend", ["sqlite"])


async def test_the_page_asks_for_the_second_factor(
    app: FastAPI,
    browser: Browser,
    page: str,
    site: str,
    people: People,
    provider: Provider,
) -> None:
    """Mutant: treat the answer as a complete sign-in, although it has no tokens."""
    phone = await enrolled(app, people)
    owner: Client = phone.owner
    provider.visitor["email"] = owner.email
    await browser.visit(f"{page}#/account")
    await browser.click("button")
    await browser.until("document.querySelector('form:not([hidden])')")
    assert await browser.cookies() == []

    await browser.run(
        "document.querySelector('#code').value = arguments[0]", await phone.code()
    )
    await browser.click("form button")

    await browser.until(f"{TEXT}.includes('Signed in as {owner.email}')")
