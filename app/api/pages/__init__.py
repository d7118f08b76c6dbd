"""HTML pages of the service: templates, and scripts in files of their own.

A script inside a page would need `unsafe-inline`, which the policies do not allow.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

Endpoint = Callable[[], Awaitable[Response]]
STATIC = Path(__file__).parent / "static"
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


def script(name: str) -> Endpoint:
    """Make an endpoint that answers with a script of `static/`."""
    content = (STATIC / name).read_bytes()

    async def endpoint() -> Response:
        return Response(content, media_type="text/javascript")

    return endpoint
