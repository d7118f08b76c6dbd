"""The index of routes finds the same route as the router of FastAPI."""

import asyncio
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Message

from app.api.authorization import api_routes
from app.api.route_index import RouteIndex
from app.main import create_application
from tests.conftest import make_settings
from tests.notes.served import ROUTERS_WITH_NOTES

APP = create_application(make_settings(route_plans=False), ROUTERS_WITH_NOTES)
INDEX = RouteIndex(APP.router)
ROUTES = [str(route.path) for route in api_routes(APP)]
SEGMENTS = sorted({part for path in ROUTES for part in path.split("/")} - {""})
METHODS = ["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS"]


async def find(chooser: Any, method: str, path: str) -> tuple[Any, ...]:
    """Call a router, and return what it has put into the scope about the route."""
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": "",
        "query_string": b"",
        "headers": [],
        "app": APP,
    }

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        raise ConnectionError

    with suppress(Exception):  # the endpoint has no database
        await chooser(scope, receive, send)
    context = scope.get("fastapi", {}).get("effective_route_context")
    known = ("endpoint", "route", "path_params", "router", "root_path")
    return (context and context.path, *(scope.get(name) for name in known))


def assert_same(method: str, path: str) -> tuple[Any, ...]:
    found = asyncio.run(find(INDEX, method, path))
    assert found == asyncio.run(find(APP.router.app, method, path)), (method, path)
    return found


def test_every_route_is_found_as_the_router_finds_it() -> None:
    """Mutant: find `/users/{id}` for the path `/users/me`."""
    for route in api_routes(APP):
        for method in METHODS:
            path = str(route.path).replace("{", "").replace("}", "")
            found = assert_same(method, path)
            if method in (route.methods or ()):
                assert found[1] is not None, path


@settings(max_examples=500)
@given(
    method=st.sampled_from(METHODS),
    path=st.one_of(
        st.sampled_from(ROUTES).flatmap(
            lambda path: st.sampled_from([path, path + "/", path[:-1], path + "/x"])
        ),
        st.lists(
            st.sampled_from([*SEGMENTS, "", "x", "me", "a b", "é"]), max_size=6
        ).map(lambda parts: "/" + "/".join(parts)),
    ),
)
def test_any_path_is_found_as_the_router_finds_it(method: str, path: str) -> None:
    assert_same(method, path)
