"""The pages of ways to sign in, one a line."""

from app.api.pages.external_identities import add_sign_in_pages
from app.api.pages.passkeys import add_passkey_pages

PAGES = (
    add_sign_in_pages,  # external_identities
    add_passkey_pages,  # passkeys
)
