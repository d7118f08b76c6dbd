"""Completes the OpenAPI document from the routes, so that no author can forget a part.

An author documents the answer of the endpoint and the errors of its service. The rest
follows from the dependencies and the limits of the route.
"""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import RouteContext

from app.api.authorization import PUBLIC, api_routes
from app.api.conditional_requests import required_version
from app.api.deprecation import deprecation_of
from app.api.errors import Problem
from app.api.openapi import browser_sessions
from app.api.openapi.examples import add_examples, name_by_title, nested, share_enums
from app.api.openapi.headers import COMPONENTS, add_success_headers
from app.api.openapi.problems import add_problems
from app.api.routes import depends_on

DESCRIPTION = """\
Send and receive JSON in UTF-8. Times are RFC 3339 in UTC, and amounts of money are
decimal strings.

- **Authentication:** `POST /auth/login` returns an access token. Send this token as
  `Authorization: Bearer`. `POST /auth/refresh` returns a new one.

- **Browser sessions:** `X-Token-Transport: cookie` puts the refresh token in a cookie.

- **Errors** are problem documents (RFC 9457). Programs read `code`, which is stable.

- **Lists** are read page by page: send `next_cursor` of one page as `cursor` of the
  next.

- **Changes** name the version that they are based on: send its `ETag` as `If-Match`.

- **Retries:** with an `Idempotency-Key` you can repeat a POST until it has an answer.

- **Support:** when you report a problem, quote the `X-Request-ID` of the answer.
"""
FIRST, LAST = ("auth", "users", "audit"), ("health",)


def add_openapi(app: FastAPI) -> None:
    """Make `app.openapi()` return the completed document, built once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                license_info=app.license_info,
                servers=app.servers,
                tags=in_order(app.openapi_tags or ()),
                routes=app.routes,
            )
            app.openapi_schema = _complete(document, api_routes(app))
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def in_order(tags: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort the tags: accounts, then the resources by name, then the probes."""

    def rank(tag: dict[str, Any]) -> tuple[int, str]:
        name = tag["name"]
        if name in FIRST:
            return FIRST.index(name), name
        return len(FIRST) + (name in LAST), name

    return sorted(tags, key=rank)


def _complete(
    document: dict[str, Any], routes: Iterable[RouteContext]
) -> dict[str, Any]:
    components = document["components"]
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    name_by_title(document)
    schemas = components["schemas"]
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = problem
    components |= {"headers": {}, "responses": {}, "examples": {}}
    for route in routes:
        for method in (route.methods or ()) if route.include_in_schema else ():
            operation = document["paths"][route.path_format][method.lower()]
            _correct_parameters(operation, route)
            browser_sessions.add_transport(operation, route)
            _correct_security(operation)
            add_success_headers(operation, route)
            add_problems(operation, route, components)
            operation["responses"] = dict(sorted(operation["responses"].items()))
            if deprecation_of(route.endpoint):
                operation["deprecated"] = True
    share_enums(document)
    add_examples(schemas)
    del problem["examples"]  # each code has its own
    used = {part.get("$ref") for part in nested(document)}
    components["headers"] = {
        name: header
        for name, header in COMPONENTS.items()
        if f"#/components/headers/{name}" in used
    }
    for kind, named in components.items():
        components[kind] = dict(sorted(named.items()))
    return document


def _correct_parameters(operation: dict[str, Any], route: RouteContext) -> None:
    if operation["responses"].get("422", {}).get("description") == "Validation Error":
        del operation["responses"]["422"]  # FastAPI's own
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        # A query or a header can be absent, but it cannot be null.
        match [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]:
            case [only]:
                del schema["anyOf"]
                schema.update(only)
        if parameter["name"] == "if-match":
            parameter["required"] = depends_on(route.dependant, required_version)
        if parameter["name"] == "if-none-match":
            description = "The client already has this version."
            operation["responses"]["304"] = {"description": description}


def _correct_security(operation: dict[str, Any]) -> None:
    if PUBLIC in operation:
        # An empty requirement makes the token optional.
        optional = [*operation["security"], {}] if "security" in operation else []
        operation["security"] = optional
