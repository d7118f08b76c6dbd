"""The pages that mailed links open, for deployments without a front end of their own.

A click shows a page. Only the page's button uses the token, because programs that check
mail open every link. The token is in the fragment of the link, and a browser never
sends the fragment to a server.
"""

from fastapi import FastAPI

from app.api.pages import SCRIPTED, add_endpoints, asset, page
from app.core.config import Settings

POLICY = {"Content-Security-Policy": SCRIPTED, "Referrer-Policy": "no-referrer"}
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


def add_account_pages(app: FastAPI, settings: Settings) -> None:
    endpoints = {"/account/page.js": asset("account.js")}
    for name, (path, title, done) in PAGES.items():
        endpoints[f"/account/{name}"] = page(
            "account.html",
            POLICY,
            root="../",
            title=title,
            endpoint=settings.api_v1_prefix + path,
            done=done,
            min_length=settings.password_min_length * (name == "reset-password"),
        )
    add_endpoints(app, endpoints, "The token in the link is the credential.")
