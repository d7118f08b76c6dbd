"""The pages on which users sign in and look after their account.

Write each on its own line.
"""

from collections.abc import Callable

from fastapi import FastAPI

from app.api.pages.own_account import add_own_account
from app.api.pages.provider_pages import add_sign_in_pages
from app.core.config import Settings

PAGES: tuple[Callable[[FastAPI, Settings], None], ...] = (
    add_own_account,  # own_account, with a section for each way to sign in
    add_sign_in_pages,  # provider_pages of external_identities
)
