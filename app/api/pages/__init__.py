"""HTML pages of the service: templates, and scripts and styles in files of their own.

A script or a style inside a page would need `unsafe-inline`, which no policy allows.
"""

from collections.abc import Awaitable, Callable
from mimetypes import guess_type
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

Endpoint = Callable[[], Awaitable[Response]]
STATIC = Path(__file__).parent / "static"
# For a page without a script.
POLICY = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
}
templates = Environment(
    loader=PackageLoader("app.api.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
    keep_trailing_newline=True,
)


def page(template: str, policy: dict[str, str], **values: Any) -> Endpoint:
    """Make an endpoint that answers with a page. The page is rendered once, now."""
    html = templates.get_template(template).render(values)

    async def endpoint() -> Response:
        return HTMLResponse(html, headers=policy)

    return endpoint


def asset(name: str) -> Endpoint:
    """Make an endpoint that answers with a file of `static/`."""
    content, media_type = (STATIC / name).read_bytes(), guess_type(name)[0]

    async def endpoint() -> Response:
        return Response(content, media_type=media_type)

    return endpoint
