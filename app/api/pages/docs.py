"""Swagger UI from files of our own, under a policy that allows no others."""

from pathlib import Path

import fastapi_offline
from fastapi import FastAPI, Response
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from app.api.authorization import public

ASSETS = Path(fastapi_offline.__file__).parent / "static"
POLICY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
<link rel="icon" href="data:,">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
});
"""
OPEN = public("The documentation, which production does not serve.")


def add_docs(app: FastAPI) -> None:
    @app.get("/docs", include_in_schema=False, openapi_extra=OPEN)
    async def docs() -> HTMLResponse:
        return HTMLResponse(PAGE.format(title=app.title), headers=POLICY)

    @app.get("/docs/start.js", include_in_schema=False, openapi_extra=OPEN)
    async def start() -> Response:
        return Response(START, media_type="text/javascript")

    app.mount("/docs/assets", StaticFiles(directory=ASSETS))
