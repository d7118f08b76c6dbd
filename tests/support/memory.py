"""Lets FastAPI analyse each endpoint once in the process, not once per application."""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import params, routing

analyse = routing._build_dependant_with_parameterless_dependencies
known: dict[tuple[Any, ...], tuple[Any, Any]] = {}


def remember(
    *, path: str, call: Callable[..., Any], dependencies: Sequence[params.Depends]
) -> Any:
    """Hundreds of tests build the application, and no code changes a `Dependant`."""
    if not call.__module__.startswith(("app.", "tests.notes.")):
        return analyse(path=path, call=call, dependencies=dependencies)
    key = (path, call, *map(id, dependencies))
    if key not in known:
        found = analyse(path=path, call=call, dependencies=dependencies)
        known[key] = found, dependencies  # `id` is unique as long as they live
    return known[key][0]


def remember_endpoints() -> None:
    routing._build_dependant_with_parameterless_dependencies = remember
