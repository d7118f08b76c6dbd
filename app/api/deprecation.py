"""Marks an operation that clients should stop using.

    @router.get("/old")
    @deprecated(since=…, sunset=…, link="https://api.example.com/changes#old")
    async def old(...)

The OpenAPI document and each answer of the operation then say that it is deprecated.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from app.api.declarations import Endpoint, declare, declared


@dataclass(frozen=True)
class Deprecated:
    since: datetime
    sunset: datetime | None
    link: str | None

    def headers(self) -> list[tuple[str, str]]:
        """Write `Deprecation` (RFC 9745), and `Sunset` and `Link` (RFC 8594)."""
        fields = [("Deprecation", f"@{int(self.since.timestamp())}")]
        if self.sunset:
            fields.append(("Sunset", format_datetime(self.sunset, usegmt=True)))
        if self.link:
            fields.append(("Link", f'<{self.link}>; rel="deprecation"'))
        return fields


def deprecated(
    *, since: datetime, sunset: datetime | None = None, link: str | None = None
) -> Callable[[Endpoint], Endpoint]:
    """Say since when an operation is deprecated, and until when it works, in UTC."""
    fact = Deprecated(since, sunset, link)
    return lambda endpoint: declare(endpoint, fact)


def deprecation_of(endpoint: Callable[..., Any] | None) -> Deprecated | None:
    return next(iter(declared(endpoint, Deprecated)), None)
