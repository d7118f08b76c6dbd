"""The request being served, for code that is not passed it, such as the log."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(slots=True)
class RequestContext:
    """One request, from its first byte to its log line."""

    request_id: str
    client_address: str
    started: float  # time.monotonic()
    user_agent: str | None = None
    caller_id: UUID | None = None  # None until the access token is verified
    session_id: UUID | None = None
    log_fields: dict[str, object] = field(default_factory=dict)
    # Added to the answer, whether an endpoint or an error handler gives it.
    answer_headers: list[tuple[bytes, bytes]] = field(default_factory=list)


_current: ContextVar[RequestContext | None] = ContextVar(
    "request_context", default=None
)


def current_request() -> RequestContext | None:
    """Return the request being served, or None in jobs and commands."""
    return _current.get()


class serving:  # noqa: N801 - used like a function
    """Make `request` the current one. A class costs less than `contextmanager`."""

    __slots__ = ("_request", "_token")

    def __init__(self, request: RequestContext) -> None:
        self._request = request

    def __enter__(self) -> None:
        self._token = _current.set(self._request)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)
