"""The HTML pages of the service. Their scripts and styles are in separate files.

A script or a style inside a page would need `unsafe-inline` in the policy of the page.
Only the policy of Swagger UI has `unsafe-inline`, for styles.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.responses import HTMLResponse, Response

from app.api.authorization import public

if TYPE_CHECKING:
    from jinja2 import Environment

Endpoint = Callable[..., Awaitable[Response]]
STATIC = Path(__file__).parent / "static"
CLOSED = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
SCRIPTED = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    f"connect-src 'self'; {CLOSED}"
)
# For a page without a script.
POLICY = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'self'; img-src 'self'; {CLOSED}"
    )
}


@cache
def templates() -> "Environment":
    # Imported here, so that a worker that serves only the API needs 3 MiB less.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("app.api.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        keep_trailing_newline=True,
    )


def add_endpoints(app: FastAPI, endpoints: Mapping[str, Endpoint], reason: str) -> None:
    """Serve each path by its endpoint. `reason` says why the pages are public."""
    for path, endpoint in endpoints.items():
        app.add_api_route(
            path, endpoint, include_in_schema=False, openapi_extra=public(reason)
        )


def page(template: str, policy: dict[str, str], **values: Any) -> Endpoint:
    """Make an endpoint that answers with a page. The first request renders it."""

    @cache
    def render() -> str:
        return templates().get_template(template).render(values)

    async def endpoint() -> Response:
        return HTMLResponse(render(), headers=policy)

    return endpoint


def asset(name: str) -> Endpoint:
    """Make an endpoint that answers with a file of `static/`."""
    content, media_type = (STATIC / name).read_bytes(), guess_type(name)[0]

    async def endpoint() -> Response:
        return Response(content, media_type=media_type)

    return endpoint
