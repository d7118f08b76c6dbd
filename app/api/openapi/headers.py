"""The headers of answers, each described once."""

from collections.abc import Iterable
from typing import Any

from fastapi.routing import RouteContext

from app.api.conditional_requests import get_conditional, get_tagged
from app.api.deprecation import deprecation_of
from app.api.idempotency import claim_key
from app.api.openapi import browser_sessions
from app.api.rate_limits import Limited
from app.api.routes import ApiRoute, depends_on

# The description of each header, and an example.
DESCRIBED: dict[str, tuple[str, str | int]] = {
    **browser_sessions.HEADERS,
    "Accept": ("Media types that the operation reads.", "application/json"),
    "Accept-Encoding": ("Content encodings that the service reads.", "identity"),
    "Deprecation": (
        "The time since which the operation is deprecated (RFC 9745).",
        "@1767225600",
    ),
    "ETag": ("The version of the resource, for `If-Match`.", '"v1"'),
    "Idempotent-Replayed": (
        "`true`: the service repeats the answer to the first request with this key.",
        "true",
    ),
    "Link": (
        "A page that explains the deprecation.",
        '<https://api.example.com/changes>; rel="deprecation"',
    ),
    "Location": (
        "The path of the new resource.",
        "/api/v1/users/019a8f3e-5a70-7000-8000-000000000000",
    ),
    "RateLimit": (
        "How much of each limit remains, and the seconds until there is more.",
        '"all";r=1199;t=60',
    ),
    "RateLimit-Policy": ("The limits that count this request.", '"all";q=1200;w=60'),
    "Retry-After": ("Seconds to wait before the next attempt.", 2),
    "Sunset": (
        "The time at which the operation stops working (RFC 8594).",
        "Fri, 01 Jan 2027 00:00:00 GMT",
    ),
    "WWW-Authenticate": ("What the request needs to succeed.", 'Bearer realm="api"'),
    "X-Request-ID": (
        "Identifies the request in the log.",
        "019a8f3e-5a70-7000-8000-000000000000",
    ),
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "Location": {"type": "string", "format": "uri-reference"},
    "Retry-After": {"type": "integer", "minimum": 0},
}
TEXT = {"type": "string"}
COMPONENTS: dict[str, Any] = {
    name: {
        "description": description,
        "schema": {**SCHEMAS.get(name, TEXT), "examples": [example]},
    }
    for name, (description, example) in DESCRIBED.items()
}
COMPONENTS["X-Request-ID"]["required"] = True


def ref(kind: str, name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/{kind}/{name}"}


def header_references(names: Iterable[str]) -> dict[str, Any]:
    return {name: ref("headers", name) for name in sorted({*names, "X-Request-ID"})}


def own_route(route: RouteContext) -> ApiRoute:
    own = route.original_route
    assert isinstance(own, ApiRoute)  # noqa: S101 - the application checks it
    return own


def limits_of(route: RouteContext) -> list[Limited]:
    return own_route(route).limits


def limit_headers(route: RouteContext) -> set[str]:
    """The headers that each answer of the route has, including its errors."""
    names = set()
    if any(limit.shown for limit in limits_of(route)):
        names |= {"RateLimit", "RateLimit-Policy"}
    if deprecation := deprecation_of(route.endpoint):
        names |= dict(deprecation.headers()).keys()
    return names


def add_success_headers(operation: dict[str, Any], route: RouteContext) -> None:
    tagged = depends_on(route.dependant, get_tagged)
    for status, response in operation["responses"].items():
        if status >= "400":
            continue
        names = limit_headers(route)
        if tagged or depends_on(route.dependant, get_conditional):
            names.add("ETag")
        if tagged and status == "201":
            names.add("Location")
        if depends_on(route.dependant, claim_key):
            names.add("Idempotent-Replayed")
        names |= browser_sessions.headers_of(route, status)
        response["headers"] = response.get("headers", {}) | header_references(names)
