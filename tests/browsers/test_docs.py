"""The documentation page, in a real browser."""

import pytest

from app.db.models.user import User
from testbed.accounts import PASSWORD
from testbed.browser import Browser

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


async def test_signs_a_user_in_and_remembers_it_after_a_reload(
    browser: Browser, site: str, account: User
) -> None:
    """Mutants: forget the token on reload; keep the password in the page."""
    await browser.visit(f"{site}/docs")
    for password, answer in (("a wrong one", "wrong"), (PASSWORD, "Signed in")):
        await browser.fill("#sign-in", email=account.email, password=password)
        await browser.click("#sign-in button")
        await browser.until(
            f"document.querySelector('#sign-in output').value.includes('{answer}')"
        )
    assert await browser.run("return document.forms[0].elements.password.value") == ""

    await browser.run("location.reload()")
    await browser.until("document.querySelector('.authorize.locked')")
