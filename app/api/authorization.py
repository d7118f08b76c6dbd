"""Denies by default: a route must state a scope, or the reason why it is public."""

from collections import defaultdict
from collections.abc import Container, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from app.api.authentication import authorize
from app.api.routes import ApiRoute

PUBLIC = "x-public"
DOCUMENTATION = {"/openapi.json", "/docs/assets"}  # not served in production


def public(reason: str) -> dict[str, Any]:
    """Let anyone call a route. The OpenAPI document shows the reason."""
    return {PUBLIC: reason}


def api_routes(app: FastAPI) -> Iterator[RouteContext]:
    """Yield every operation, also those of nested routers."""
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute):
            yield context


def required_scopes(route: RouteContext) -> set[str]:
    """List the scopes that a caller must have. For a public route there are none."""
    return {
        scope
        for each in _dependencies(route.dependant)
        if each.call is authorize
        for scope in (*(each.parent_oauth_scopes or ()), *(each.own_oauth_scopes or ()))
    }


def public_reason(route: RouteContext) -> str | None:
    return (route.openapi_extra or {}).get(PUBLIC)


def check_routes(app: FastAPI, policies: Container[str]) -> None:
    """Refuse to start with a route that lacks a protection (ASVS 8.2.1)."""
    found: dict[str, list[str]] = defaultdict(list)
    for context in iter_route_contexts(app.routes):
        for problem in _problems(context, policies):
            found[problem].append(f"{sorted(context.methods or ())} {context.path}")
    if found:
        raise RuntimeError("; ".join(f"{what}: {found[what]}" for what in found))


def _problems(context: RouteContext, policies: Container[str]) -> Iterator[str]:
    route = context.original_route
    if not isinstance(route, APIRoute):
        if context.path not in DOCUMENTATION:
            yield "Mounts, sockets and plain routes bypass every dependency"
        return
    if not isinstance(route, ApiRoute):
        yield "Make the router with api_router()"
        return
    if context.dependencies != route.dependencies:
        yield "Declare dependencies on the route, not where its router is included"
    if bool(public_reason(context)) == bool(required_scopes(context)):
        yield "Declare either a scope or public()"
    if any(limit.policy not in policies for limit in route.limits):
        yield "Declare a limit by the name of a policy"


def _dependencies(dependant: Dependant) -> Iterator[Dependant]:
    for dependency in dependant.dependencies:
        yield dependency
        yield from _dependencies(dependency)
