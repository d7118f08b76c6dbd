"""What the routes leave unsaid of methods: HEAD, OPTIONS, and the `Allow` of a 405."""

from collections.abc import Collection, Iterator, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.routing import iter_route_contexts
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import send_problem
from app.core.errors import AppError

# TRACE echoes credentials, CONNECT asks for a tunnel (RFC 9110 §9.3).
NEVER_ALLOWED = {"TRACE", "CONNECT"}


class MethodNotAllowed(AppError):
    """The resource does not answer to this method; `Allow` lists those it does."""

    status = HTTPStatus.METHOD_NOT_ALLOWED
    code = "method_not_allowed"

    def __init__(self, scope: Scope) -> None:
        # RFC 9110 §15.5.6 demands the header, and of all the methods.
        headers = {"Allow": ", ".join(allowed_methods(scope))}
        super().__init__("The resource does not answer to this method.", headers)


class MethodsMiddleware:
    """Answers HEAD as GET without its content, and OPTIONS with what is allowed.

    It belongs next to the routes, where every other layer has had its say.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"] if scope["type"] == "http" else ""
        if method == "HEAD":
            await self._head(scope, receive, send)
        elif method == "OPTIONS" and (allowed := allowed_methods(scope)):
            headers = {"Allow": ", ".join(allowed)}
            await Response(None, HTTPStatus.NO_CONTENT, headers)(scope, receive, send)
        elif method in NEVER_ALLOWED:
            await send_problem(scope, receive, send, MethodNotAllowed(scope))
        else:
            await self.app(scope, receive, send)

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_without_content(message: Message) -> None:
            # Servers leave the content out themselves, and look here whether to.
            scope["method"] = "HEAD"
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        # In place: the log line reads the route from this scope.
        scope["method"] = "GET"
        try:
            await self.app(scope, receive, send_without_content)
        finally:
            scope["method"] = "HEAD"


def allowed_methods(scope: Scope) -> list[str]:
    """List the methods of the resource at the requested path, if there is one."""
    # A mount has made its own path the root, and remembers the root of all.
    root = scope.get("app_root_path", scope.get("root_path", ""))
    path = scope["path"].removeprefix(root)
    matches = list(_matches(scope["app"].routes, path))
    # `/users/me` is a resource of its own, although `/users/{user_id}` matches it.
    fewest = min((parameters for parameters, _ in matches), default=0)
    methods: set[str] = set()
    for parameters, some in matches:
        if parameters == fewest:
            methods.update(some)
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods | {"OPTIONS"}) if methods else []


def _matches(
    routes: Sequence[BaseRoute], path: str
) -> Iterator[tuple[int, Collection[str]]]:
    """Say of each route at `path` how many parameters it has, and its methods."""
    for route in iter_route_contexts(routes):
        found: Any = getattr(route, "path_regex", None)
        if found is not None and (match := found.match(path)):
            methods = {"GET"} if isinstance(route.route, Mount) else route.methods
            yield len(match.groupdict()), methods or ()
