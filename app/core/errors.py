"""Errors that the service expects. One handler turns them into responses."""

import re
from collections.abc import Container, Iterable, Mapping
from http import HTTPStatus
from itertools import takewhile
from math import ceil
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import quote


class AppError(Exception):
    """Base of every expected error.

    The API documentation shows the docstrings of the subclasses to clients.
    """

    status: ClassVar[HTTPStatus]
    code: ClassVar[str]
    keeps_changes: ClassVar[bool] = False  # True: commit, do not roll back
    # A class sets its detail and headers here, if they are always the same.
    detail: str
    headers: Mapping[str, str] = MappingProxyType({})
    # Members of the problem document (RFC 9457) that this error adds or changes.
    members: Mapping[str, object] = MappingProxyType({})

    def __init__(
        self, detail: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self.detail = detail or self.detail
        self.headers = {**self.headers, **(headers or {})}
        super().__init__(self.detail)


class BadRequest(AppError):
    """The service cannot read the request."""

    status = HTTPStatus.BAD_REQUEST
    code = "bad_request"


class Unauthorized(AppError):
    """The request has no token in the header `Authorization`."""

    status = HTTPStatus.UNAUTHORIZED
    code = "unauthorized"
    # RFC 6750 §3: no `error` when no credentials were sent.
    headers = MappingProxyType({"WWW-Authenticate": 'Bearer realm="api"'})


class Forbidden(AppError):
    """The caller is not allowed to do this."""

    status = HTTPStatus.FORBIDDEN
    code = "forbidden"


class NotFound(AppError):
    """The resource does not exist, or the caller is not allowed to see it."""

    status = HTTPStatus.NOT_FOUND
    code = "not_found"


class Conflict(AppError):
    """The request conflicts with the current state of the resource."""

    status = HTTPStatus.CONFLICT
    code = "conflict"


def own_words(message: str) -> str:
    """Remove pydantic's additions: a prefix, and the wrong character of a UUID."""
    return message.removeprefix("Value error, ").partition(": found `")[0]


MOST_FAULTS = 100


class InvalidRequest(AppError):
    """The request does not match the schema."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "invalid_request"

    def __init__(self, detail: str, errors: list[dict[str, Any]]) -> None:
        super().__init__(detail)
        # Each error has a pointer, a code and a message. Without a limit, an answer
        # could be many times as large as the request.
        self.errors = errors[:MOST_FAULTS]
        self.members = {"errors": self.errors}


def known_parts(
    path: Iterable[str | int], known: Container[str]
) -> Iterable[str | int]:
    """Cut the path before a name that the client made up: it can be a secret."""
    return takewhile(lambda part: isinstance(part, int) or part in known, path)


def json_pointer(path: Iterable[str | int], known: Container[str]) -> str:
    """Write a pointer into the body, such as `#/items/0/price` (RFC 6901 §6).

    If a name is not `known`, the pointer ends at the object that contains this name.
    """
    parts = map(str, known_parts(path, known))
    escaped = (part.replace("~", "~0").replace("/", "~1") for part in parts)
    return "#" + "".join(f"/{quote(part, safe='~')}" for part in escaped)


def shown_name(policy: str) -> str:
    """Shorten `login-account` to `login`, to hide which counter is full."""
    return re.split("[-_]", policy, maxsplit=1)[0]


class TooManyRequests(AppError):
    """The caller sent too many requests.

    `Retry-After` says how long to wait. This header is absent if waiting does not help.
    """

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "rate_limited"

    def __init__(self, retry_after: float | None, violated: Iterable[str]) -> None:
        """Pass `retry_after=None` if waiting does not help."""
        detail, headers = "Too many requests.", {}
        if retry_after is not None:
            headers["Retry-After"] = seconds = str(ceil(retry_after))
            detail += f" Try again in {seconds} s."
        super().__init__(detail, headers)
        self.violated = sorted(violated)  # for the log; clients see shorter names
        self.members = {
            "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
            "title": "Request cannot be satisfied as assigned quota has been exceeded",
            "violated-policies": sorted(set(map(shown_name, self.violated))),
        }


class Unavailable(AppError):
    """The service cannot answer now. `Retry-After` says how long to wait."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "unavailable"


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached, or has no space left."""

    code = "dependency_unavailable"
    detail = "The database cannot be reached."
    headers = MappingProxyType({"Retry-After": "2"})


class Overloaded(Unavailable):
    """The service is overloaded. `Retry-After` says how long to wait."""

    code = "overloaded"
    detail = "The service is busy. Try again in 1 s."
    headers = MappingProxyType({"Retry-After": "1"})


def explain(error: BaseException) -> dict[str, str]:
    """Describe the cause of an error for the log. Clients never see it.

    Keep only the first line of the message. There, drivers name hosts and accounts, but
    never passwords. In later lines they repeat the values of a statement.
    """
    # The cause of a timeout of asyncio is a CancelledError, which says less.
    while error.__cause__ is not None and not isinstance(error, TimeoutError):
        error = error.__cause__
    message, _, _ = str(error).partition("\n")
    fields = {"reason": type(error).__name__, "message": message}
    if sqlstate := getattr(error, "sqlstate", None):
        fields["sqlstate"] = sqlstate
    return {name: value for name, value in fields.items() if value}
