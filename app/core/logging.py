"""One form for every log line: JSON for machines, or a console for people."""

import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from app.core.request_context import current_request

# Servers log each request too; the application's own line says more.
SILENCED = ("uvicorn.access", "gunicorn.access")
OWN_HANDLERS = ("uvicorn", "uvicorn.error", "gunicorn.error", "sqlalchemy")


def add_request_id(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    request = current_request()
    if request is not None:
        event.setdefault("request_id", request.request_id)
    return event


def to_json(_: WrappedLogger, __: str, event: EventDict) -> str:
    return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()


def drop_color_message(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    event.pop("color_message", None)  # uvicorn repeats its message with colours
    return event


def log_formatter(*, json: bool) -> structlog.stdlib.ProcessorFormatter:
    """Render records of the standard library and of structlog alike."""
    render: list[Processor] = (
        [structlog.processors.format_exc_info, to_json]
        if json
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stdout.isatty(),
                # The other shows local variables, headers and passwords among them.
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared_processors(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            drop_color_message,
            *render,
        ],
    )


def shared_processors() -> list[Processor]:
    return [
        add_request_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


# One list for good: loggers keep the one they were first used with.
PROCESSORS: list[Processor] = [
    structlog.stdlib.filter_by_level,
    *shared_processors(),
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
]
LAST = PROCESSORS[-1]


LINE_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE


class LineWriter:
    """Logs what is said of every request, in a fifth of the time: the same line.

    It leaves the console's form, other levels and tests that capture to the usual way.
    """

    usable = False  # as configured

    def __init__(self, name: str) -> None:
        self._name = name
        self._log = get_logger(name)

    def info(self, event: str, fields: dict[str, Any]) -> None:
        if not LineWriter.usable or PROCESSORS[-1] is not LAST:
            self._log.info(event, **fields)
            return
        fields["event"] = event
        fields["level"] = "info"
        fields["logger"] = self._name
        fields["timestamp"] = datetime.now(UTC)
        line = orjson.dumps(fields, repr, LINE_OPTIONS).decode()
        with suppress(OSError):  # a full disk is no reason to fail requests
            sys.stdout.write(line)  # at once, so that lines of threads do not mix
            sys.stdout.flush()


def configure_logging(*, level: str, json: bool) -> None:
    """Send every record of this process to stdout; calling it again replaces it."""
    LineWriter.usable = json and level in {"debug", "info"}
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(log_formatter(json=json))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    for name in OWN_HANDLERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in SILENCED:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = False
    structlog.configure(
        processors=PROCESSORS,
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def get_logger(name: str) -> Any:
    return structlog.stdlib.get_logger(name)
