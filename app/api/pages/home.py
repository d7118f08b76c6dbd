"""The page at `/`, the list of errors, and the style and icon that all pages share.

Make every link relative, because a proxy can serve the application below another path.
"""

from collections.abc import Iterator

from fastapi import FastAPI

from app.api.pages import POLICY, add_endpoints, asset, page
from app.api.pages.requests import PATH
from app.core.config import Settings
from app.core.errors import AppError


def add_home(app: FastAPI, settings: Settings) -> None:
    health = f"{settings.api_v1_prefix}/health".removeprefix("/")
    links = [
        ("account", "Account", "sign in, and look after your account"),  # own_account
        ("errors", "Errors", "every error code and its meaning"),
        (f"{health}/ready", "Readiness", "whether this instance can serve"),
        (f"{health}/live", "Liveness", "whether the process of this instance runs"),
    ]
    if not settings.is_production:
        links.insert(0, ("docs", "Documentation", "every operation; you can try it"))
        links.insert(1, ("openapi.json", "OpenAPI", "the documentation, for programs"))
    if settings.environment == "development":
        said = "the last requests, with their SQL and mails"
        links.insert(3, (PATH.removeprefix("/"), "Requests", said))
    endpoints = {
        "/": page(
            "home.html",
            POLICY,
            root="",
            title=settings.app_name,
            version=app.version,
            environment=settings.environment,
            links=links,
        ),
        "/errors": page(
            "errors.html",
            POLICY,
            root="",
            title="Errors",
            errors=sorted(errors(), key=lambda error: (error.status, error.code)),
        ),
        "/style.css": asset("style.css"),
        "/favicon.svg": asset("favicon.svg"),
    }
    add_endpoints(app, endpoints, "It shows no data of any account.")


def errors(parent: type[AppError] = AppError) -> Iterator[type[AppError]]:
    """Yield the classes that have a code of their own."""
    for error in parent.__subclasses__():
        if error.__module__.startswith("app."):
            if "code" in vars(error):
                yield error
            yield from errors(error)
