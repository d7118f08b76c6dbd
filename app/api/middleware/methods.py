"""Answers HEAD and OPTIONS for every route, and adds the header `Allow` to a 405."""

from collections.abc import Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.routing import RouteContext, iter_route_contexts
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.middleware.paths import own_path
from app.api.problems import refusal_response
from app.api.streams import HEADERS_ONLY
from app.core.errors import AppError

# TRACE sends credentials back, and CONNECT asks for a tunnel (RFC 9110 §9.3).
NEVER_ALLOWED = {"TRACE", "CONNECT"}


class MethodNotAllowed(AppError):
    """The resource does not allow this method.

    The header `Allow` lists the allowed methods.
    """

    status = HTTPStatus.METHOD_NOT_ALLOWED
    code = "method_not_allowed"

    def __init__(self, scope: Scope) -> None:
        # RFC 9110 §15.5.6 requires this header and wants all methods in it.
        headers = {"Allow": ", ".join(allowed_methods(scope))}
        super().__init__("This method is not allowed here.", headers)


class MethodsMiddleware:
    """Answers HEAD like GET without content, and OPTIONS with the allowed methods.

    This is the innermost middleware: the others see the HEAD or OPTIONS of the client.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._literals: Mapping[str, Collection[str]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        method: str = scope["method"]
        if method == "OPTIONS" and (allowed := allowed_methods(scope)):
            headers = {"Allow": ", ".join(allowed)}
            await Response(None, HTTPStatus.NO_CONTENT, headers)(scope, receive, send)
        elif method in NEVER_ALLOWED or not self._may_have(method, scope):
            await refusal_response(MethodNotAllowed(scope))(scope, receive, send)
        elif method == "HEAD":
            await self._head(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _may_have(self, method: str, scope: Scope) -> bool:
        """Keep `PATCH /users/export` from reaching `PATCH /users/{user_id}`."""
        if self._literals is None:
            self._literals = _literal_paths(scope["app"].routes)
        known = self._literals.get(own_path(scope))
        return known is None or method in known or method == "OPTIONS"

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_as_head(message: Message) -> None:
            # The outermost middleware reads this method, and sends no content for HEAD.
            scope["method"] = "HEAD"
            await send(message)

        # Change this scope and not a copy: the log line reads the route from it.
        scope["method"] = "GET"
        scope[HEADERS_ONLY] = True
        try:
            await self.app(scope, receive, send_as_head)
        finally:
            scope["method"] = "HEAD"


def allowed_methods(scope: Scope) -> list[str]:
    """List the methods of the requested path. Empty if no route has this path."""
    path, routes = own_path(scope), scope["app"].routes
    if (methods := _literal_paths(routes).get(path)) is None:
        methods = set()
        for route in iter_route_contexts(routes):
            pattern: Any = getattr(route, "path_regex", None)
            if pattern is not None and pattern.match(path):
                methods |= _methods(route)
    return sorted(methods | {"OPTIONS"}) if methods else []


def _literal_paths(routes: Sequence[BaseRoute]) -> dict[str, set[str]]:
    """Map each path without parameters to its methods.

    Such a path is a resource of its own, even if a path with parameters matches it.
    """
    literals: dict[str, set[str]] = {}
    for route in iter_route_contexts(routes):
        path = route.path_format
        if path and "{" not in path:
            literals.setdefault(path, set()).update(_methods(route))
    return literals


def _methods(route: RouteContext) -> set[str]:
    is_mount = isinstance(route.original_route, Mount)
    methods = {"GET"} if is_mount else set(route.methods or ())
    return methods | {"HEAD"} if "GET" in methods else methods
