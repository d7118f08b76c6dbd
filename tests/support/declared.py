"""Checks that the OpenAPI document declares each answer that a test receives."""

import re
from functools import cache
from typing import Any

from httpx2 import Response

from app.main import create_application
from tests.notes.served import ROUTERS_WITH_NOTES, NotesSettings


async def assert_declared(response: Response) -> None:
    """Refuse an answer whose status or media type the document does not declare.

    The check finds endpoints that raise an error without documenting it.
    """
    request = response.request
    operation = find_operation(request.method, request.url.path)
    if operation is None:
        return
    answers = operation["responses"]
    said = f"{request.method} {request.url.path} -> {response.status_code}"
    assert str(response.status_code) in answers, f"{said} is not in the document"
    declared = answers[str(response.status_code)].get("content", {})
    given = response.headers.get("content-type", "").partition(";")[0]
    if given:
        assert given in declared, f"{said} {given} is not in the document"
    else:
        assert not declared or request.method == "HEAD", f"{said} has no content"


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
