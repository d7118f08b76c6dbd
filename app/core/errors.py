"""Refusals the service expects to make. One handler turns them into responses."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from math import ceil
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import quote


class AppError(Exception):
    """Base of every expected refusal. The class docstring is its public title."""

    status: ClassVar[HTTPStatus]
    code: ClassVar[str]
    keeps_changes: ClassVar[bool] = False  # commit, rather than roll back, first
    # What the problem document says beside these (RFC 9457), or says otherwise.
    members: Mapping[str, object] = MappingProxyType({})

    def __init__(self, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})


class BadRequest(AppError):
    """The request cannot be understood."""

    status = HTTPStatus.BAD_REQUEST
    code = "bad_request"


class Unauthorized(AppError):
    """The request carries no valid credentials."""

    status = HTTPStatus.UNAUTHORIZED
    code = "unauthorized"

    def __init__(self, detail: str, headers: Mapping[str, str] | None = None) -> None:
        # RFC 6750 §3: no `error` when no credentials were sent.
        super().__init__(detail, headers or {"WWW-Authenticate": 'Bearer realm="api"'})


class Forbidden(AppError):
    """The caller may not do this."""

    status = HTTPStatus.FORBIDDEN
    code = "forbidden"


class NotFound(AppError):
    """The resource does not exist, or the caller may not know that it does."""

    status = HTTPStatus.NOT_FOUND
    code = "not_found"


class Conflict(AppError):
    """The request contradicts the current state of the resource."""

    status = HTTPStatus.CONFLICT
    code = "conflict"


def own_words(message: str) -> str:
    """Leave out what pydantic puts before the message of a validator of ours."""
    return message.removeprefix("Value error, ")


MOST_FAULTS = 100


class InvalidRequest(AppError):
    """The request does not match the schema."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "invalid_request"

    def __init__(self, detail: str, errors: list[dict[str, Any]]) -> None:
        super().__init__(detail)
        # Each {pointer, code, message}; no answer is to be many times its request.
        self.errors = errors[:MOST_FAULTS]
        self.members = {"errors": self.errors}


def json_pointer(*parts: str | int) -> str:
    """Point into the request body, as `#/items/0/price` (RFC 6901 §6)."""
    escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in parts)
    return "#" + "".join(f"/{quote(part, safe='~')}" for part in escaped)


def shown_name(policy: str) -> str:
    """Leave out what would tell whether it is the account that is watched."""
    return re.split("[-_]", policy, maxsplit=1)[0]


class TooManyRequests(AppError):
    """The caller must slow down; `Retry-After` says for how long."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "rate_limited"

    def __init__(self, retry_after: float | None, violated: Iterable[str]) -> None:
        """Without `retry_after` waiting is useless."""
        headers = {} if retry_after is None else {"Retry-After": str(ceil(retry_after))}
        super().__init__("Too many requests; wait, then retry.", headers)
        self.members = {
            "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
            "title": "Request cannot be satisfied as assigned quota has been exceeded",
            "violated-policies": sorted(set(map(shown_name, violated))),
        }


class Unavailable(AppError):
    """The service cannot answer now; `Retry-After` says when to try again."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "unavailable"


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached."""

    code = "dependency_unavailable"

    def __init__(self) -> None:
        super().__init__("The database cannot be reached.", {"Retry-After": "2"})


class Overloaded(Unavailable):
    """The service has more to do than it can; try again shortly."""

    code = "overloaded"

    def __init__(self) -> None:
        super().__init__("The service is busy.", {"Retry-After": "1"})


def explain(error: BaseException) -> dict[str, str]:
    """What the log says of an error, and no client hears: its cause, in its own words.

    Drivers name hosts and accounts, but no passwords, and repeat values only in the
    lines after the first.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    message, _, _ = str(error).partition("\n")
    fields = {"reason": type(error).__name__, "message": message}
    if sqlstate := getattr(error, "sqlstate", None):
        fields["sqlstate"] = sqlstate
    return {name: value for name, value in fields.items() if value}
