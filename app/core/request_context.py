"""The request being served, for code to which no request is passed, such as the log."""

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, Self
from uuid import UUID

MOST_STATEMENTS = 100  # kept for each request
Server = Literal["query", "commit", "connection", "redis"]
Failure = type[BaseException] | None


class Statement(NamedTuple):
    """One statement of a request, for developers. Its values are not kept."""

    sql: object  # its text is `str(sql)`, which is costly
    seconds: float
    rows: int | None  # returned; None if the driver does not say

    @property
    def text(self) -> str:
        """The statement on one line."""
        return " ".join(str(self.sql).split())

    @property
    def milliseconds(self) -> float:
        return round(self.seconds * 1000, 3)


class Trace(Protocol):
    """Gets each round trip of a request that is traced."""

    def add(
        self,
        server: Server,
        seconds: float,
        failure: Failure,
        sql: object = None,
        rows: int | None = None,
    ) -> None: ...

    def answer(self, route: str) -> None: ...


@dataclass(slots=True)
class RequestContext:
    """One request, from its first byte to its log line."""

    request_id: str
    client_address: str
    started: float  # time.monotonic()
    user_agent: str | None = None
    caller_id: UUID | None = None  # None until the access token is verified
    session_id: UUID | None = None
    # Added to every audit event of the request, such as the credential in use.
    audit_detail: dict[str, Any] = field(default_factory=dict)
    log_fields: dict[str, Any] = field(default_factory=dict)
    # Added to the answer, whether an endpoint or an error handler gives it.
    answer_headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    db_queries: int = 0
    db_seconds: float = 0.0
    connection_seconds: float = 0.0  # spent waiting for connections
    redis_calls: int = 0
    redis_seconds: float = 0.0
    # Both are None outside of development, but LOG_LEVEL=debug keeps `statements`
    # everywhere.
    statements: list[Statement] | None = None
    events: list[dict[str, Any]] | None = None  # its other log lines
    trace: Trace | None = None  # None unless the request is traced

    def add_query(
        self,
        sql: object,
        seconds: float,
        failure: Failure = None,
        rows: int | None = None,
    ) -> None:
        self.db_queries += 1
        self.db_seconds += seconds
        if self.statements is not None and len(self.statements) < MOST_STATEMENTS:
            self.statements.append(Statement(sql, seconds, rows))
        if self.trace is not None:
            self.trace.add("query", seconds, failure, sql, rows)

    def add_rows(self, rows: int) -> None:
        """Add the number of rows that the last statement has returned.

        With SQLite this number is known only after all rows are read.
        """
        if self.statements and len(self.statements) < MOST_STATEMENTS:
            self.statements[-1] = self.statements[-1]._replace(rows=rows)

    def add_connection(self, seconds: float, failure: Failure = None) -> None:
        self.connection_seconds += seconds
        if self.trace is not None:
            self.trace.add("connection", seconds, failure)


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


class waiting_for:  # noqa: N801 - used like a function
    """Add the time of the block to the waits of the current request.

    A commit also sends the changes that the session has not sent yet. Their statements
    count, but their time counts only once, as part of the commit.
    """

    __slots__ = ("_before", "_request", "_server", "_sql", "_started", "rows")

    def __init__(self, server: Server, sql: object = None) -> None:
        self._server = server
        self._sql = sql
        self.rows: int | None = None

    def __enter__(self) -> Self:
        self._request = _current.get()
        self._before = 0.0 if self._request is None else self._request.db_seconds
        self._started = time.perf_counter()
        return self

    def __exit__(self, failure: Failure, *_: object) -> None:
        request = self._request
        if request is None:
            return
        seconds = time.perf_counter() - self._started
        if self._server == "query":
            request.add_query(self._sql, seconds, failure, self.rows)
            return
        if self._server == "commit":
            request.db_seconds = self._before + seconds
        else:
            request.redis_calls += 1
            request.redis_seconds += seconds
        if request.trace is not None:
            request.trace.add(self._server, seconds, failure)
