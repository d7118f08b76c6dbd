"""Optimistic concurrency: a change names the version it is based on (RFC 9110 §13)."""

from dataclasses import dataclass
from http import HTTPStatus

from app.core.errors import AppError


class VersionRequired(AppError):
    """`If-Match` must name the version that the change is based on."""

    status = HTTPStatus.PRECONDITION_REQUIRED
    code = "precondition_required"


class VersionStale(AppError):
    """The resource has changed since the client read it."""

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
    """The versions that the caller accepts; None accepts every version."""

    accepted: frozenset[int] | None

    def check(self, current: int) -> None:
        """Raise `VersionStale` if the caller does not accept `current`."""
        if self.accepted is not None and current not in self.accepted:
            raise VersionStale(current)
