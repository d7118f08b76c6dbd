"""Facts that an endpoint states about itself, in a decorator below its route.

    @router.post("/login")
    @limited("login")
    async def login(...)

The route reads these facts when the application starts, so the order of these
decorators does not matter.
"""

from collections.abc import Callable
from typing import Any, TypeVar

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Fact = TypeVar("Fact")
ATTRIBUTE = "declared_facts"


def declare(endpoint: Endpoint, fact: object) -> Endpoint:
    endpoint.__dict__.setdefault(ATTRIBUTE, []).append(fact)
    return endpoint


def declared(endpoint: Callable[..., Any] | None, kind: type[Fact]) -> list[Fact]:
    facts = getattr(endpoint, ATTRIBUTE, ())
    return [fact for fact in facts if isinstance(fact, kind)]
