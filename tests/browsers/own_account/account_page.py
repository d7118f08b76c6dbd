"""Conditions that the tests of the account page wait for."""

from app.db.models.user import User
from testbed.browser import Browser


async def shows_account(browser: Browser, account: User) -> None:
    await browser.until(
        f"document.querySelector('#signed-in b').textContent === '{account.email}'"
    )


async def says(browser: Browser, section: str, text: str) -> None:
    await browser.until(
        f"document.querySelector('{section} > [role=status]')"
        f".textContent.includes('{text}')"
    )
