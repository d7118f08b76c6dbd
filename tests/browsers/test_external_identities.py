"""Sign-in with a provider, in a real browser: by its page, and by `/account`."""

import json
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from testbed.browser import Browser
from testbed.serving import Later, serving
from tests.api.external_identities.browser import ADA, PROVIDER
from tests.api.external_identities.provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    Provider,
    serve_provider,
)
from tests.support.people import Client, People
from tests.support.totp import enrolled

pytestmark = pytest.mark.parametrize("backend", ["sqlite"])
later = Later()
TEXT = "document.body.innerText"


@pytest.fixture
async def site() -> AsyncGenerator[str]:
    async with serving(later) as port:
        yield f"http://localhost:{port}"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with serve_provider() as provider:
        provider.visitor = {**ADA}
        yield provider


@pytest.fixture
def overrides(site: str, provider: Provider) -> dict[str, Any]:
    credentials = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    entry = {"name": PROVIDER, "issuer": provider.issuer, "trusts_email": True}
    providers = json.dumps([{**entry, **credentials}])
    return {"public_base_url": site, "oidc_providers": providers}


@pytest.fixture
def page(app: FastAPI, site: str) -> str:
    later.app = app
    return f"{site}/account/sign-in/{PROVIDER}"


async def at(browser: Browser, url: str) -> None:
    await browser.until(f"location.href === '{url}' && document.body")


async def test_a_visitor_signs_in_and_links_a_second_identity(
    browser: Browser, page: str, site: str, provider: Provider
) -> None:
    """Mutants: leave the code in the history; store a token where scripts read it."""
    await browser.visit(f"{site}/account")
    await browser.until("document.querySelector('#other-ways a')")
    assert len(await browser.errors()) == 1  # a visitor has no session to refresh
    await browser.click("#other-ways a")
    await browser.until("document.querySelector('[data-provider]')")
    await browser.click("button")
    await browser.until("document.querySelector('#external_identities li b')")

    assert f"Signed in as {ADA['email']}" in await browser.run(f"return {TEXT}")
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
    """Mutants: finish without a transaction; believe the path of the fragment."""
    await browser.visit(f"{page}?code=stolen&state=x&iss=y")
    await browser.until(f"{TEXT}.includes('You are not signed in.')")
    assert await browser.run("return location.search") == ""
    assert provider.asked["/token"] == 0

    await browser.visit(f"{site}/")
    await browser.visit(f"{page}#//evil.example.com/")
    await browser.click("button")

    await at(browser, f"{site}/")


async def test_the_page_asks_for_the_second_factor(
    app: FastAPI,
    browser: Browser,
    page: str,
    site: str,
    people: People,
    provider: Provider,
) -> None:
    """Mutant: take the answer without tokens for a sign-in."""
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
