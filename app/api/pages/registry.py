"""The pages on which users sign in and look after their account, one a line."""

from app.api.pages.external_identities import add_sign_in_pages
from app.api.pages.own_account import add_own_account

PAGES = (
    add_own_account,  # with a section for each way to sign in
    add_sign_in_pages,  # external_identities
)
