"""Swagger UI, from our own files. The policy of the page allows no other files."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.api.pages import CLOSED, add_endpoints, asset, page

ASSETS = Path(fastapi_offline.__file__).parent / "static"
POLICY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        f"img-src 'self' data:; connect-src 'self'; {CLOSED}"
    )
}
PARTS = ("swagger-ui.css", "swagger-ui-bundle.js")


class Assets(StaticFiles):
    """Lets a browser keep a file for a year if its URL has the hash of the files."""

    def file_response(
        self, full_path: Any, stat_result: Any, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        if scope["query_string"]:
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def add_docs(app: FastAPI, login: str) -> None:
    """`login` is the path to which the page sends an e-mail address and a password."""
    content = b"".join((ASSETS / name).read_bytes() for name in PARTS)
    version = sha256(content).hexdigest()[:16]
    endpoints = {
        "/docs": page(
            "docs.html", POLICY, title=app.title, version=version, login=login
        ),
        "/docs/start.js": asset("docs.js"),
    }
    add_endpoints(app, endpoints, "The documentation, which production does not serve.")
    app.mount("/docs/assets", Assets(directory=ASSETS))
