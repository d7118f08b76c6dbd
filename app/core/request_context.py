"""What is known of the request being served, wherever the code has got to."""

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
    caller_id: UUID | None = None  # once the access token has been verified
    session_id: UUID | None = None
    log_fields: dict[str, object] = field(default_factory=dict)
    # For the answer, whoever gives it: an endpoint or a handler of errors.
    answer_headers: list[tuple[bytes, bytes]] = field(default_factory=list)


_current: ContextVar[RequestContext | None] = ContextVar(
    "request_context", default=None
)


def current_request() -> RequestContext | None:
    """Return the request being served; None in jobs and commands."""
    return _current.get()


class serving:  # noqa: N801 - used as a function is
    """Make `request` the current one; written out, as every request pays for it."""

    __slots__ = ("_request", "_token")

    def __init__(self, request: RequestContext) -> None:
        self._request = request

    def __enter__(self) -> None:
        self._token = _current.set(self._request)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)
