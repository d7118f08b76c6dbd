"""Routes that accept larger bodies than others, and give them more time to arrive."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from fastapi import APIRouter
from fastapi.routing import iter_route_contexts

from app.api.declarations import Endpoint, declare, declared
from app.core.config import Settings


@dataclass(frozen=True)
class Upload:
    """The names of the settings that limit the body of one route."""

    max_bytes: str
    seconds: str


class Allowance(NamedTuple):
    max_bytes: int
    time: timedelta  # limits the arrival of the body, and then the work


def upload(*, max_bytes: str, seconds: str) -> Callable[[Endpoint], Endpoint]:
    """Give a route its own body limit and deadline. The arguments name settings."""
    return lambda endpoint: declare(endpoint, Upload(max_bytes, seconds))


def find_uploads(
    routers: Iterable[APIRouter], prefix: str, settings: Settings
) -> dict[str, Allowance]:
    """Map the path of each upload to its allowance.

    A path must not have parameters: the limits apply before the request is routed.
    """
    found = {}
    for router in routers:
        for route in iter_route_contexts(router.routes):
            for each in declared(route.endpoint, Upload):
                if "{" in str(route.path):
                    raise RuntimeError(f"An upload has path parameters: {route.path}")
                found[f"{prefix}{route.path}"] = Allowance(
                    getattr(settings, each.max_bytes),
                    timedelta(seconds=getattr(settings, each.seconds)),
                )
    return found
