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
  "detail": "There is a product with this SKU.",
  "code": "sku_taken",
  "request_id": "019a8f3e-5a70-7000-8000-000000000000"
}
```

`code` is stable and meant for programs. `detail` is meant for people and may change.
`request_id` also stands in the log and in the header `X-Request-ID`.

A 422 also has `errors`, at most 100. Each has a `pointer` (a JSON Pointer into the body
such as `#/price`, or `query/limit`, `path/product_id`, `header/idempotency-key`), a
`code` and a `message`. A 429 also has `violated-policies`, and the `type` that IANA
registers for it, `https://iana.org/assignments/http-problem-types#quota-exceeded`.

Errors repeat no values of the request and show no internal details.
"""


def markdown(note: str) -> str:
    lines = ["# Errors", "", f"<!-- {note} -->", "", INTRODUCTION]
    lines += ["| status | code | meaning |", "|---|---|---|"]
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
