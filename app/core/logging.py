"""Gives every log line the same form: JSON for machines, or plain text for people.

The application logs through structlog. Gunicorn, uvicorn and SQLAlchemy log through
the module `logging`, and a formatter gives their records the same form. One thread
writes all lines.
"""

import atexit
import logging
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, BinaryIO, TextIO, cast

import orjson

from app.core.log_console import REQUEST_EVENT, request_line
from app.core.log_fields import ALLOWED, replace_others
from app.core.log_writer import LogWriter
from app.core.request_context import current_request

# structlog would load rich, which takes 5 MiB, for tracebacks that this service does
# not print.
unloaded = sys.modules.setdefault("rich", None) is None  # type: ignore[arg-type]
import structlog  # noqa: E402
from structlog.typing import EventDict, Processor, WrappedLogger  # noqa: E402

if unloaded:
    del sys.modules["rich"]

# The servers log each request as well; the application's own line says more. httpx2
# logs the URLs that the service calls, and a URL can hold a part of a hash.
SILENCED = ("uvicorn.access", "gunicorn.access", "httpx2")
OWN_HANDLERS = ("uvicorn", "uvicorn.error", "gunicorn.error", "sqlalchemy")
# At the level debug, drivers log the parameters of statements, such as hashes and
# links.
DRIVERS = ("aiosqlite", "asyncpg", "aiosmtplib", "httpcore2", "redis")
LEVELS = logging.getLevelNamesMapping()

JSON = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z

Form = Callable[[WrappedLogger, str, EventDict], bytes]


def drop_below_level(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
    if not logging.root.isEnabledFor(LEVELS[method.upper()]):
        raise structlog.DropEvent
    return event


def add_context(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Add the fields of every line. One function is faster than one for each field."""
    record: logging.LogRecord | None = event.get("_record")
    event["level"] = method
    event["logger"] = logger.name if record is None else record.name
    request = None
    if "request_id" not in event and (request := current_request()) is not None:
        event["request_id"] = request.request_id
    event["timestamp"] = datetime.now(UTC)
    if not event.keys() <= ALLOWED:
        replace_others(event)
    if request is not None and request.events is not None:
        format_error = structlog.processors.format_exc_info
        request.events.append(dict(format_error(logger, method, {**event})))
    return event


def drop_color_message(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    event.pop("color_message", None)  # uvicorn repeats its message with colours
    return event


def to_json(logger: WrappedLogger, method: str, event: EventDict) -> bytes:
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, method, event)
    line = orjson.dumps(event, default=repr, option=JSON)
    return line[:-1] + _process


def to_console(logger: WrappedLogger, method: str, event: EventDict) -> bytes:
    if "status_code" in event and event["event"] == REQUEST_EVENT:
        return request_line(event, colors=sys.stdout.isatty()).encode()
    event["timestamp"] = event["timestamp"].isoformat()
    render = structlog.dev.ConsoleRenderer(
        colors=sys.stdout.isatty(),
        # structlog's own choice prints local variables, which hold passwords.
        exception_formatter=structlog.dev.plain_traceback,
    )
    return render(logger, method, event).encode()


_about: Mapping[str, str] = {}
_process = b"}"  # the end of each JSON line: the fields of the process
_form: Form = to_json


def describe_process() -> None:
    global _process
    _process = b"," + orjson.dumps({**_about, "process_pid": os.getpid()})[1:]


os.register_at_fork(after_in_child=describe_process)


def to_configured_form(logger: WrappedLogger, method: str, event: EventDict) -> bytes:
    return _form(logger, method, event)


def dropped_line(count: int) -> bytes:
    logger = structlog.BytesLogger(name=__name__)
    event = add_context(logger, "warning", {"event": "log.dropped", "lines": count})
    return _form(logger, "warning", event) + b"\n"


writer = LogWriter(dropped_line)
atexit.register(writer.drain)

# A logger keeps the list that it was first used with. Therefore every configuration
# uses this list.
PROCESSORS: list[Processor] = [drop_below_level, add_context, to_configured_form]


def log_formatter(*, json: bool) -> structlog.stdlib.ProcessorFormatter:
    """Give records of the standard library the form of structlog's lines."""
    form = to_json if json else to_console
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), add_context],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            drop_color_message,
            lambda logger, method, event: form(logger, method, event).decode(),
        ],
    )


def configure_logging(
    *, level: str, json: bool, about: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Send every log line to stdout, with the fields of `about`.

    A second call replaces the first.
    """
    global _form, _about
    _form = to_json if json else to_console
    _about = about
    describe_process()
    writer.start()
    handler = logging.StreamHandler(cast(TextIO, writer))
    handler.setFormatter(log_formatter(json=json))
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(level.upper())
    logging.captureWarnings(True)
    for name in OWN_HANDLERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in DRIVERS:
        logging.getLogger(name).setLevel(logging.INFO)
    for name in SILENCED:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = False
    structlog.configure(
        processors=PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        logger_factory=structlog.BytesLoggerFactory(cast(BinaryIO, writer)),
        cache_logger_on_first_use=True,
    )


def get_logger(name: str) -> Any:
    return structlog.get_logger(name)


_requests = structlog.BytesLogger(
    cast(BinaryIO, writer), name="app.api.middleware.request_context"
)


def log_request(level: str, fields: EventDict) -> None:
    """Write the line of a request.

    It does not use a logger of structlog, because that would take twice as long.
    """
    line: Any = {"event": REQUEST_EVENT, **fields}
    try:
        for process in PROCESSORS:
            line = process(_requests, level, line)
    except structlog.DropEvent:
        return
    writer.write(line + b"\n")
