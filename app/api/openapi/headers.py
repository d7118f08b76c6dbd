"""The headers of answers, each described once."""

from collections.abc import Iterable
from typing import Any

from fastapi.routing import RouteContext

from app.api.conditional_requests import get_conditional, get_tagged
from app.api.deprecation import deprecation_of
from app.api.idempotency import claim_key
from app.api.rate_limits import Limited
from app.api.routes import ApiRoute, depends_on

TEXT = {"type": "string"}
COMPONENTS: dict[str, Any] = {
    name: {"description": description, "schema": {**schema, "examples": [example]}}
    for name, description, schema, example in (
        ("Accept", "Media types that the operation reads.", TEXT, "application/json"),
        (
            "Accept-Encoding",
            "Content codings that the service reads.",
            TEXT,
            "identity",
        ),
        (
            "Clear-Site-Data",
            "Deletes what this browser has stored of the service.",
            TEXT,
            '"cache", "storage"',
        ),
        (
            "Deprecation",
            "Since when the operation is deprecated (RFC 9745).",
            TEXT,
            "@1767225600",
        ),
        ("ETag", "The version of the resource, for `If-Match`.", TEXT, '"v1"'),
        (
            "Idempotent-Replayed",
            "`true`: the answer to the first request with this `Idempotency-Key`.",
            TEXT,
            "true",
        ),
        (
            "Link",
            "Where the deprecation is explained.",
            TEXT,
            '<https://api.example.com/changes>; rel="deprecation"',
        ),
        (
            "Location",
            "The path of the new resource.",
            {**TEXT, "format": "uri-reference"},
            "/api/v1/users/019a8f3e-5a70-7000-8000-000000000000",
        ),
        (
            "RateLimit",
            "What remains of each limit, and for how long.",
            TEXT,
            '"all";r=1199;t=60',
        ),
        (
            "RateLimit-Policy",
            "The limits that count this request.",
            TEXT,
            '"all";q=1200;w=60',
        ),
        (
            "Retry-After",
            "Seconds to wait before the next attempt.",
            {"type": "integer", "minimum": 0},
            2,
        ),
        (
            "Set-Cookie",
            "The refresh token, if you sent `X-Token-Transport: cookie`.",
            TEXT,
            "__Host-app_rt=app_rt_AZqPPlpw; HttpOnly; Max-Age=1209600; Path=/; "
            "SameSite=Strict; Secure",
        ),
        (
            "Sunset",
            "When the operation will stop working (RFC 8594).",
            TEXT,
            "Fri, 01 Jan 2027 00:00:00 GMT",
        ),
        ("WWW-Authenticate", "What the caller lacks.", TEXT, 'Bearer realm="api"'),
        (
            "X-Request-ID",
            "Identifies the request in the log.",
            TEXT,
            "019a8f3e-5a70-7000-8000-000000000000",
        ),
    )
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
    """The headers of every answer that the route itself gives, also of an error."""
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
        if own_route(route).sets_cookie:
            names.add("Set-Cookie")
            if status == "204":
                names.add("Clear-Site-Data")
        response["headers"] = response.get("headers", {}) | header_references(names)
