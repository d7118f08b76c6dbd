"""Finds the route of a request by its method and the number of segments in its path.

FastAPI compares a request with one route after the other, and does so twice. The index
compares the request only with the routes that can match. See decision 14.
"""

import re
from typing import Any

from fastapi import APIRouter, params
from fastapi.routing import APIRoute, iter_route_contexts
from starlette._utils import get_route_path
from starlette.convertors import StringConvertor
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from app.api.route_plan import needs_fastapi

ANY_PATH = re.compile("")
Key = tuple[str, int]


class RouteIndex:
    """Calls the route that the router would choose, or calls the router itself.

    The router handles everything else: unknown paths, other methods, mounts, parameters
    that can contain a slash, and routes that are added later.
    """

    def __init__(self, router: APIRouter) -> None:
        self.router = router
        self.app: Any = router.dependency_overrides_provider
        routes = [(each, _keys(each)) for each in iter_route_contexts(router.routes)]
        # The routes are in the order of the router. A route without keys could match
        # any path. If the index comes to such a route, it lets the router decide.
        self.routes = {
            key: [
                _entry(each, keys) for each, keys in routes if not keys or key in keys
            ]
            for key in set().union(*(keys for _, keys in routes))
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not needs_fastapi(scope):
            path = get_route_path(scope)
            key = scope["method"], path.count("/")
            for regex, app, handle, found, context in self.routes.get(key, ()):
                if match := regex.match(path):
                    if app is None:
                        break
                    scope.setdefault("router", self.router)
                    scope.update(found)
                    scope["path_params"] = {
                        **scope.get("path_params", {}),
                        **match.groupdict(),
                    }
                    if context is not None:
                        fastapi = scope.setdefault("fastapi", {})
                        fastapi["effective_route_context"] = context
                    if handle is None or self.app.dependency_overrides:
                        await app(scope, receive, send)
                    else:
                        # This skips the exit stacks that FastAPI opens for each
                        # request, and its second handler of errors.
                        response = await handle(Request(scope, receive, send))
                        await response(scope, receive, send)
                    return
        await self.router.app(scope, receive, send)


def _keys(route: Any) -> set[Key]:
    if (
        not isinstance(route.original_route, APIRoute)
        or {type(each) for each in route.param_convertors.values()} - {StringConvertor}
        # Only the router applies the limits for forms.
        or (route.body_field and isinstance(route.body_field.field_info, params.Form))
    ):
        return set()
    segments = route.path_format.count("/")
    return {(method, segments) for method in route.methods}


def _entry(route: Any, keys: set[Key]) -> tuple[Any, ...]:
    regex = getattr(route, "path_regex", None) or ANY_PATH
    if not keys:
        return regex, None, None, None, None
    own = route._effective_route
    found = {"route": route.original_route, "endpoint": route.endpoint}
    handle = getattr(own, "direct_handler", None)
    context = None if own is route.original_route else own
    return regex, route.app, handle, found, context
