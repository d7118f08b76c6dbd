"""The page that signs in with a passkey, and adds one to the account."""

from fastapi import FastAPI

from app.api.authorization import public
from app.api.pages import asset, page
from app.api.pages.account import POLICY
from app.core.config import Settings

OPEN = public("The caller has no token yet.")


def add_passkey_pages(app: FastAPI, settings: Settings) -> None:
    endpoints = {
        "sign-in": page(
            "passkeys.html",
            POLICY,
            root="../",
            title="Sign in",
            api=settings.api_v1_prefix,
        ),
        "passkeys.js": asset("passkeys.js"),
    }
    for name, endpoint in endpoints.items():
        app.add_api_route(
            f"/account/{name}", endpoint, include_in_schema=False, openapi_extra=OPEN
        )
