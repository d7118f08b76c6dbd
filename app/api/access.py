"""Deny by default: a route without a scope must say why anybody may call it."""

from typing import Any

PUBLIC = "x-public"


def public(reason: str) -> dict[str, Any]:
    """Mark a route as open to everybody; shown in its OpenAPI operation."""
    return {PUBLIC: reason}
