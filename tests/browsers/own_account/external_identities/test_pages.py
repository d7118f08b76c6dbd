"""Sign-in with a provider, in a real browser: on the sign-in page and on `/account`."""

import pytest

from testbed.browser import Browser
from tests.api.external_identities.browser import ADA
from tests.api.external_identities.provider import Provider

pytestmark = pytest.mark.parametrize("backend", ["sqlite"])
TEXT = "document.body.innerText"


async def at(browser: Browser, url: str) -> None:
    await browser.until(f"location.href === '{url}' && document.body")


async def test_a_visitor_signs_in_and_links_a_second_identity(
    browser: Browser, page: str, site: str, provider: Provider
) -> None:
    """Mutants: keep the code in the history; store a token that scripts can read."""
    await browser.visit(f"{site}/account")
    await browser.until("document.querySelector('#other-ways a')")
    await browser.until("!document.querySelector('#signed-out').hidden")
    assert len(await browser.errors()) == 1  # a visitor has no session to refresh
    await browser.click("#other-ways a")
    await browser.until("document.querySelector('[data-provider]')")
    await browser.click("button")
    await browser.until("document.querySelector('#external_identities li b')")

    await browser.until(f"{TEXT}.includes('Signed in as {ADA['email']}')")
    assert await browser.run("return sessionStorage.length + localStorage.length") == 0
    assert [each["name"] for each in await browser.cookies()] == ["__Host-app_rt"]
    provider.visitor["sub"] = "ada-2"
    await browser.click("#external_identities > button")
    await browser.until(
        "document.querySelectorAll('#external_identities li b').length === 2"
    )
    await at(browser, f"{site}/account")
    assert await browser.errors() == []


async def test_the_page_refuses_the_link_of_an_attacker_and_leads_to_no_other_site(
    browser: Browser, page: str, site: str, provider: Provider
) -> None:
    """Mutants: finish a sign-in that began elsewhere; go to any URL of a fragment."""
    await browser.visit(f"{page}?code=stolen&state=x&iss=y")
    await browser.until(f"{TEXT}.includes('You are not signed in.')")
    assert await browser.run("return location.search") == ""
    assert provider.asked["/token"] == 0

    await browser.visit(f"{site}/")
    await browser.visit(f"{page}#//evil.example.com/")
    await browser.click("button")

    await at(browser, f"{site}/")
