"""Measures statements, for the metrics and for the line of their request."""

from time import perf_counter
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from app.core.metrics import observe_statement
from app.core.request_context import Failure, current_request

STARTED = "started"  # key in `Connection.info`


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


def start(connection: Connection, *_: object) -> None:
    connection.info[STARTED] = perf_counter()


def end(connection: Connection, _: Any, statement: str, *__: object) -> None:
    started = connection.info.pop(STARTED, None)
    if started is not None:
        note(statement, perf_counter() - started)


def end_failed(failed: ExceptionContext) -> None:
    if failed.connection is None or failed.statement is None:
        return
    started = failed.connection.info.pop(STARTED, None)
    if started is not None:
        failure = type(failed.original_exception)
        note(failed.statement, perf_counter() - started, failure)
