"""The page `/account/sign-in`, in a real browser with a virtual authenticator."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import delete

from app.db.models.passkey import Passkey
from app.db.session import transaction
from testbed.accounts import PASSWORD
from testbed.browser import Browser
from testbed.serving import Later, serving
from tests.support.people import People

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "isUserConsenting": True,
    "defaultBackupEligibility": True,
    "defaultBackupState": True,
}


later = Later()


@pytest.fixture
async def port() -> AsyncGenerator[int]:
    async with serving(later) as port:
        yield port


@pytest.fixture
def overrides(port: int) -> dict[str, Any]:
    # Browsers make no passkey for 127.0.0.1: the service must say `localhost`.
    return {"public_base_url": f"http://127.0.0.1:{port}"}


@pytest.fixture
async def page(app: FastAPI, port: int) -> str:
    later.app = app
    return f"http://localhost:{port}/account/sign-in"


def says(text: str) -> str:
    return f"document.querySelector('[role=status]')?.textContent.includes('{text}')"


async def ignore_the_offer(browser: Browser, page: str, lock: str) -> None:
    """Open the page with a locked device, and unlock it when the offer has ended."""
    await browser.command("POST", lock, {"isUserVerified": False})
    await browser.visit(page)
    await browser.until("!document.querySelector('#use').hidden")
    await browser.run("offered.abort()")
    await browser.command("POST", lock, {"isUserVerified": True})


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_adds_a_passkey_and_signs_in_with_it(
    app: FastAPI, page: str, people: People, browser: Browser
) -> None:
    """Mutants: a script inside the page; `127.0.0.1` as the domain of passkeys."""
    user = await people.add()
    devices = f"{browser.session}/webauthn/authenticator"
    device = await browser.command("POST", devices, AUTHENTICATOR)
    lock = f"{devices}/{device}/uv"
    await browser.visit(page)
    await browser.fill(email=user.email, password=PASSWORD)
    await browser.click("form button")
    await browser.until(says("You are signed in."))
    await browser.click("#add")
    await browser.until(says("The passkey is added."))

    # The password alone is not enough now.
    await browser.until("document.querySelector('pre').textContent.length > 200")
    await ignore_the_offer(browser, page, lock)
    await browser.fill(email=user.email, password=PASSWORD)
    await browser.click("form button")
    await browser.until(says("You are signed in."))

    # The field of the address offers the passkey; this user takes it at once.
    await browser.visit(page)
    await browser.until(says("You are signed in."))

    # A user who does not take the offer can use the button.
    await ignore_the_offer(browser, page, lock)
    await browser.click("#use")
    await browser.until(says("You are signed in."))
    assert await browser.errors() == []  # nothing that the policy forbids

    async with transaction(app.state.shared.database) as session:
        passkey = await session.scalar(delete(Passkey).returning(Passkey))
        assert passkey is not None
        assert passkey.backed_up
    await browser.visit(page)
    await browser.until(says("This passkey was not accepted."))
