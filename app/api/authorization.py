"""Deny by default: a route without a scope must say why anybody may call it."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from app.api.authentication import authorize

PUBLIC = "x-public"
DOCUMENTATION = {"/openapi.json", "/docs/assets"}  # not served in production


def public(reason: str) -> dict[str, Any]:
    """Mark a route as open to everybody; shown in its OpenAPI operation."""
    return {PUBLIC: reason}


def api_routes(app: FastAPI) -> Iterator[RouteContext]:
    """Every operation, however deep the router that it was declared on."""
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute):
            yield context


def required_scopes(route: RouteContext) -> set[str]:
    """What a caller must hold; nothing for a route that asks nobody's name."""
    return set(_scopes(route.dependant))


def is_public(route: RouteContext) -> bool:
    return bool((route.openapi_extra or {}).get(PUBLIC))


def check_access(app: FastAPI) -> None:
    """Refuse to start with a route that nobody decided about (ASVS 8.2.1)."""
    undecided = [
        f"{route.methods} {route.path}"
        for route in api_routes(app)
        if is_public(route) == bool(required_scopes(route))
    ]
    # Mounts and sockets pass by every dependency.
    undecided += [
        str(route.path)
        for route in iter_route_contexts(app.routes)
        if not isinstance(route.original_route, APIRoute)
        and route.path not in DOCUMENTATION
    ]
    if undecided:
        raise RuntimeError(f"Declare either a scope or public(): {undecided}")


def _scopes(dependant: Dependant) -> Iterator[str]:
    for dependency in dependant.dependencies:
        if dependency.call is authorize:
            yield from dependency.parent_oauth_scopes or ()
            yield from dependency.own_oauth_scopes or ()
        yield from _scopes(dependency)
