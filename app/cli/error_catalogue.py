"""Generates the list of error codes from the error classes."""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages

from app import api, core, schemas, services
from app.core.errors import AppError

INTRODUCTION = """\
Every error is a problem document (RFC 9457), `application/problem+json`:

```json
{
  "type": "about:blank",
  "title": "Conflict",
  "status": 409,
  "detail": "Another account has this e-mail address.",
  "code": "email_taken",
  "request_id": "019a8f3e-5a70-7000-8000-000000000000"
}
```

Programs read `code`, which is stable. People read `detail`, which can change. The log
and the header `X-Request-ID` contain the same `request_id`.

A 422 also has a list of at most 100 `errors`. Each has a `code`, a `message` and a
`pointer`: a JSON Pointer into the body such as `#/name`, or the name of a parameter
such as `query/limit`, `path/user_id` or `header/idempotency-key`.

A 429 also has `violated-policies`, the names of the limits that the request exceeds.
Its `type` is the one that IANA has registered:
`https://iana.org/assignments/http-problem-types#quota-exceeded`.

An error never repeats values of the request, and never shows internal details.
"""


def markdown(note: str) -> str:
    lines = ["# Errors", "", f"<!-- {note} -->", "", INTRODUCTION]
    lines += ["| Status | Code | Meaning |", "|---|---|---|"]
    for error in sorted(errors(), key=lambda error: (error.status, error.code)):
        meaning = " ".join((error.__doc__ or "").split())
        lines.append(f"| {error.status.value} | `{error.code}` | {meaning} |")
    return "\n".join(lines) + "\n"


def errors() -> Iterator[type[AppError]]:
    """Find the classes that introduce a code. Raise if two introduce the same."""
    for package in (api, core, schemas, services):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    import_module("app.server.parser_errors")
    found: dict[str, type[AppError]] = {}
    for error in _descendants(AppError):
        if "code" in vars(error):
            if error.code in found:
                raise ValueError(f"{error} and {found[error.code]} share a code.")
            found[error.code] = error
    return iter(found.values())


def _descendants(error: type[AppError]) -> Iterator[type[AppError]]:
    for heir in error.__subclasses__():
        if heir.__module__.startswith("app."):
            yield heir
            yield from _descendants(heir)
