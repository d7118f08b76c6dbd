"""Checks that the OpenAPI document declares each answer that a test receives."""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from httpx2 import Response

from app.main import create_application
from tests.notes.served import ROUTERS_WITH_NOTES, NotesSettings

DESCRIBED = {
    "clear-site-data",
    "etag",
    "idempotent-replayed",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "set-cookie",
    "www-authenticate",
    "x-device-token",
    "x-request-id",
}


async def assert_declared(response: Response) -> None:
    """Refuse an answer with a status, code, header or media type not in the document.

    The check finds endpoints that raise an error without documenting it.
    """
    await response.aread()
    request = response.request
    operation = find_operation(request.method, request.url.path)
    if operation is None:
        return
    answers = operation["responses"]
    said = f"{request.method} {request.url.path} -> {response.status_code}"
    assert str(response.status_code) in answers, f"{said} is not in the document"
    answer = resolved(answers[str(response.status_code)])
    declared = answer.get("content", {})
    undeclared = DESCRIBED.intersection(response.headers) - lower(answer["headers"])
    assert not undeclared, f"{said} {undeclared} are not in the document"
    given = response.headers.get("content-type", "").partition(";")[0]
    if given:
        assert given in declared, f"{said} {given} is not in the document"
    else:
        assert not declared or request.method == "HEAD", f"{said} has no content"
    if given == "application/problem+json" and request.method != "HEAD":
        code = response.json()["code"]
        assert code in declared[given]["examples"], f"{said} {code} is not declared"


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference into the components."""
    if "$ref" not in part:
        return part
    _, _, kind, name = part["$ref"].split("/")
    found: dict[str, Any] = document()["components"][kind][name]
    return found


def lower(names: Iterable[str]) -> set[str]:
    return {name.lower() for name in names}


def find_operation(method: str, path: str) -> dict[str, Any] | None:
    for pattern, operations in patterns():
        if pattern.fullmatch(path):
            verb = "get" if method == "HEAD" else method.lower()
            found: dict[str, Any] | None = operations.get(verb)
            return found
    return None


@cache
def patterns() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """List the paths as patterns, those without parameters first."""
    paths = document()["paths"]
    return [
        (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), paths[path])
        for path in sorted(paths, key=lambda path: path.count("{"))
    ]


@cache
def document() -> dict[str, Any]:
    settings = NotesSettings(_env_file=None)
    return create_application(settings, ROUTERS_WITH_NOTES).openapi()
