"""Passkeys on the page `/account`, in a real browser with a virtual authenticator."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from fastapi import FastAPI

from testbed.accounts import PASSWORD
from testbed.browser import Browser
from testbed.serving import Later, serving
from tests.support.people import People

# The page reads the events again when the user has signed in.
LOGINS = "security_events.textContent.split('auth.login.success').length - 1"
WITHOUT_OFFER = (
    "PublicKeyCredential.isConditionalMediationAvailable = async () => false"
)


@pytest.fixture
def later() -> Later:
    return Later()


@pytest.fixture
async def port(later: Later) -> AsyncGenerator[int]:
    async with serving(later) as port:
        yield port


@pytest.fixture
def overrides(port: int) -> dict[str, Any]:
    # Browsers make no passkey for 127.0.0.1, so the service must name `localhost`.
    return {"public_base_url": f"http://127.0.0.1:{port}"}


@pytest.fixture
async def page(app: FastAPI, port: int, later: Later) -> AsyncGenerator[str]:
    later.app = app
    yield f"http://localhost:{port}/account"
    await later.leave()


async def is_signed_in(browser: Browser, yes: bool = True) -> None:
    hidden = "out" if yes else "in"
    await browser.until(
        f"!document.querySelector('#signed-{'in' if yes else 'out'}').hidden"
        f" && document.querySelector('#signed-{hidden}').hidden"
    )


async def sign_out(browser: Browser) -> None:
    await browser.click("#sign-out")
    await is_signed_in(browser, yes=False)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_adds_a_passkey_and_signs_in_with_it(
    page: str, people: People, browser: Browser
) -> None:
    """Mutants: write a script into the page; use `127.0.0.1` as the passkey domain."""
    user = await people.add()
    await browser.add_authenticator()
    await browser.visit(page)
    await is_signed_in(browser, yes=False)
    await browser.fill(email=user.email, password=PASSWORD)
    await browser.click("#sign-in button")
    await is_signed_in(browser)
    await browser.fill("#passkeys", name="Laptop")
    await browser.click("#passkeys form button")
    await browser.until("passkeys.textContent.includes('The passkey is added.')")
    await browser.until("passkeys.querySelector('li b')?.textContent === 'Laptop'")

    codes = await browser.until(
        "document.querySelector('#passkey-codes pre').textContent"
    )
    assert len(codes.split()) == 10

    # The e-mail field offers the passkey, and the virtual user accepts it at once.
    await browser.click("#sign-out")
    await browser.until(f"{LOGINS} === 2")

    # In a browser without this offer, users click a button instead.
    await browser.run(WITHOUT_OFFER)
    await sign_out(browser)
    await browser.click("#other-ways button")
    await is_signed_in(browser)

    # The password alone is not enough now.
    await sign_out(browser)
    await browser.fill(email=user.email, password=PASSWORD)
    await browser.click("#sign-in button")
    await browser.until("!document.querySelector('#second-step').hidden")
    await browser.click("#second-step [data-method]")
    await is_signed_in(browser)

    await browser.click("#passkeys li button")
    await browser.accept()
    await browser.until("passkeys.textContent.includes('The passkey is removed.')")
    await sign_out(browser)
    await browser.click("#other-ways button")
    await browser.until("account.textContent.includes('passkey was not accepted')")
    errors = [e for e in await browser.errors() if "Failed to load resource" not in e]
    assert errors == []  # no breach of the security policy
