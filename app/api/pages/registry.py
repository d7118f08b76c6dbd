"""The pages of ways to sign in, one a line."""

from app.api.pages.passkeys import add_passkey_pages

PAGES = (
    add_passkey_pages,  # passkeys
)
