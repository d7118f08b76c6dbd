"""Swagger UI, from our own files and under a policy that allows no others."""

from pathlib import Path

import fastapi_offline
from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from app.api.authorization import public
from app.api.pages import asset, page

ASSETS = Path(fastapi_offline.__file__).parent / "static"
POLICY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
}
OPEN = public("The documentation, which production does not serve.")


def add_docs(app: FastAPI) -> None:
    endpoints = {
        "/docs": page("docs.html", POLICY, title=app.title),
        "/docs/start.js": asset("docs.js"),
    }
    for path, endpoint in endpoints.items():
        app.add_api_route(path, endpoint, include_in_schema=False, openapi_extra=OPEN)
    app.mount("/docs/assets", StaticFiles(directory=ASSETS))
