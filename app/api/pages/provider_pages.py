"""The sign-in page of each provider, for deployments that have no front end.

The page begins a sign-in, and the provider sends the browser back to this page. A link
to the page can name another page of this site in its fragment, such as `#/path`. After
the sign-in the browser opens that page.
"""

from importlib import import_module

from fastapi import FastAPI

from app.api.pages import add_endpoints, asset, page
from app.api.pages.account import POLICY
from app.core.config import Settings

ROOT = "/account/sign-in"


def add_sign_in_pages(app: FastAPI, settings: Settings) -> None:
    """Add one page for each provider of the settings."""
    if settings.providers:
        # Imported at the start: during a request, the import of the libraries would
        # block the event loop for 0.2 s.
        import_module("app.services.accounts.external_identities.openid")
    endpoints = {}
    for provider in settings.providers:
        endpoints[f"{ROOT}/page.js"] = asset("provider_pages.js")
        endpoints[f"{ROOT}/{provider.name}"] = page(
            "provider_pages.html",
            POLICY,
            root="../../",
            title=f"Continue with {provider.title}",
            api=f"{settings.api_v1_prefix}/auth",
            provider=provider.name,
        )
    reason = "The transaction in the browser and the code are the credential."
    add_endpoints(app, endpoints, reason)
