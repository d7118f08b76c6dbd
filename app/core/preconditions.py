"""Optimistic concurrency: a change names the version it was made for (RFC 9110 §13)."""

from dataclasses import dataclass
from http import HTTPStatus

from app.core.errors import AppError


class VersionRequired(AppError):
    """The change must name the version it was made for, in `If-Match`."""

    status = HTTPStatus.PRECONDITION_REQUIRED
    code = "precondition_required"


class VersionStale(AppError):
    """The resource has changed since the version that the change was made for."""

    status = HTTPStatus.PRECONDITION_FAILED
    code = "precondition_failed"

    def __init__(self, current: int) -> None:
        super().__init__(
            "The resource has changed since you read it. "
            "Read it again and repeat your change with its new ETag.",
            {"ETag": etag(current)},
        )


def etag(version: int) -> str:
    """Write a version as the strong entity tag that clients send in `If-Match`."""
    return f'"v{version}"'


@dataclass(frozen=True, slots=True)
class ExpectedVersion:
    """The versions a caller accepts; None stands for any."""

    accepted: frozenset[int] | None

    def check(self, current: int) -> None:
        """Raises `VersionStale`."""
        if self.accepted is not None and current not in self.accepted:
            raise VersionStale(current)
