"""Fills in the account page for its picture in `docs/`."""

from testbed.accounts import PASSWORD
from testbed.browser import Browser


async def show(browser: Browser, url: str, email: str) -> None:
    await browser.add_authenticator()
    await browser.visit(f"{url}/account")
    await browser.until("!document.querySelector('#signed-out').hidden")
    await browser.fill("#sign-in", email=email, password=PASSWORD)
    await browser.click("#sign-in button")
    await browser.until("document.querySelector('#security_events li')")
    await browser.fill("#passkeys", name="Laptop")
    await browser.click("#passkeys form button")
    await browser.until("passkeys.textContent.includes('The passkey is added.')")
    await browser.fill("#api_keys", name="Nightly import")
    await browser.click("#api_keys [value='account:read']")
    await browser.click("#api_keys form button")
    await browser.until("document.querySelector('#api_keys div code').textContent")
