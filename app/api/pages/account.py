"""The pages that mailed links open, for deployments without a front end of their own.

A click shows a page. Only the page's button uses the token, because programs that check
mail open every link. The token stays in the fragment, which no server ever sees.
"""

from fastapi import FastAPI

from app.api.authorization import public
from app.api.pages import asset, page
from app.core.config import Settings

POLICY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}
PAGES = {  # page: endpoint, title, what the page says after a success
    "verify-email": (
        "/auth/verify-email",
        "Confirm your e-mail address",
        "Your address is confirmed. You can sign in now.",
    ),
    "reset-password": (
        "/auth/password/reset",
        "Choose a new password",
        "Your password is changed. Sign in with the new one.",
    ),
    "confirm-email": (
        "/auth/email/confirm",
        "Confirm your new e-mail address",
        "Your address is changed. Sign in with the new one.",
    ),
}
OPEN = public("The token in the link is the credential.")


def add_account_pages(app: FastAPI, settings: Settings) -> None:
    endpoints = {"page.js": asset("account.js")}
    for name, (path, title, done) in PAGES.items():
        endpoints[name] = page(
            "account.html",
            POLICY,
            root="../",
            title=title,
            endpoint=settings.api_v1_prefix + path,
            done=done,
            min_length=settings.password_min_length * (name == "reset-password"),
        )
    for name, endpoint in endpoints.items():
        app.add_api_route(
            f"/account/{name}", endpoint, include_in_schema=False, openapi_extra=OPEN
        )
