"""Measures statements and connections for the metrics and for the log of requests."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import AsyncAdaptedQueuePool, PoolProxiedConnection

from app.core.metrics import connection_uses, connection_waits, observe_statement
from app.core.request_context import Failure, current_request

# Keys in `Connection.info`.
STARTED = "started"
TAKEN = "taken"
NOTED_FROM_SECONDS = 0.001  # to get a free connection takes less


class MeasuredPool(AsyncAdaptedQueuePool):
    """Measures how long each user waits for a connection, and how long it is in use."""

    # Without this name, the pool's logger ignores the level of SQLAlchemy's loggers.
    _sqla_logger_namespace = "sqlalchemy.pool.impl.AsyncAdaptedQueuePool"

    waiting = 0  # users that wait for a connection
    # Called to give back connections that are checked out, but idle.
    give_back_idle: Callable[[], None] = staticmethod(lambda: None)

    def connect(self) -> PoolProxiedConnection:
        started = perf_counter()
        must_wait = self.checkedout() >= self.size() + self._max_overflow
        if must_wait:
            self.give_back_idle()
        self.waiting += must_wait
        failure: Failure = None
        try:
            connection = super().connect()
        except BaseException as error:
            failure = type(error)
            raise
        finally:
            self.waiting -= must_wait
            taken = perf_counter()
            note_wait(taken - started, failure)
        connection.info[TAKEN] = taken
        return connection


def give_back(_: object, record: Any) -> None:
    taken = record.info.pop(TAKEN, None)
    if taken is not None:
        connection_uses.observe(perf_counter() - taken)


def note_wait(seconds: float, failure: Failure = None) -> None:
    connection_waits.observe(seconds)
    if seconds < NOTED_FROM_SECONDS:
        return
    if (request := current_request()) is not None:
        request.add_connection(seconds, failure)


def note(
    sql: str, seconds: float, failure: Failure = None, rows: int | None = None
) -> None:
    observe_statement(sql, seconds)
    if (request := current_request()) is not None:
        request.add_query(sql, seconds, failure, rows)


def measure(engine: Engine) -> None:
    event.listen(engine, "before_cursor_execute", start)
    event.listen(engine, "after_cursor_execute", end)
    event.listen(engine, "handle_error", end_failed)
    event.listen(engine, "checkin", give_back)


def start(connection: Connection, *_: object) -> None:
    connection.info[STARTED] = perf_counter()


def end(connection: Connection, cursor: Any, statement: str, *_: object) -> None:
    started = connection.info.pop(STARTED, None)
    if started is not None:
        count = cursor.rowcount  # -1 if the statement reads rows from SQLite
        rows = count if cursor.description and count >= 0 else None
        note(statement, perf_counter() - started, rows=rows)


def end_failed(failed: ExceptionContext) -> None:
    if failed.connection is None or failed.statement is None:
        return
    started = failed.connection.info.pop(STARTED, None)
    if started is not None:
        failure = type(failed.original_exception)
        note(failed.statement, perf_counter() - started, failure)
