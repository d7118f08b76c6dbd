"""Lets FastAPI analyse each route once in the process, not once per application."""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import params, routing

analyse = routing._build_dependant_with_parameterless_dependencies
known: dict[tuple[Any, ...], tuple[Any, Any]] = {}
include = routing._IncludedRouter.effective_candidates
included: dict[tuple[Any, ...], Any] = {}


def remember(
    *, path: str, call: Callable[..., Any], dependencies: Sequence[params.Depends]
) -> Any:
    """Analyse each function only once, because all tests get the same result."""
    if not call.__module__.startswith(("app.", "tests.notes.")):
        return analyse(path=path, call=call, dependencies=dependencies)
    key = (path, call, *map(id, dependencies))
    if key not in known:
        found = analyse(path=path, call=call, dependencies=dependencies)
        known[key] = found, dependencies  # kept, so that each `id` stays unique
    return known[key][0]


def remember_included(self: Any) -> Any:
    """Share the routes of an included router between applications.

    A route finds its application in the request. Only the overrides of dependencies
    come from the first application, and no test has any.
    """
    router, context = self.original_router, self.include_context
    app = context.dependency_overrides_provider
    if app is None:  # a router outside an application
        return include(self)
    plans = getattr(app.state, "route_plans", None)
    key = id(router), router._get_routes_version(), context.prefix, plans
    if key not in included:
        included[key] = include(self), router
    return included[key][0]


def remember_endpoints() -> None:
    routing._build_dependant_with_parameterless_dependencies = remember
    routing._IncludedRouter.effective_candidates = remember_included  # type: ignore[method-assign]
