"""How gunicorn serves the application; command-line flags override it."""

import os
import signal
import sys

from gunicorn.arbiter import Arbiter
from gunicorn.asgi import protocol as asgi_protocol
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker

from app.core.config import ConfigurationError, get_settings
from app.core.logging import configure_logging, log_formatter

try:
    settings = get_settings()
except ConfigurationError as error:
    sys.exit(str(error))


class StructuredLogger(Logger):  # type: ignore[misc]
    """Gunicorn's own records in the application's form, wherever they go."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        configure_logging(level=settings.log_level, json=settings.logs_json)
        if cfg.errorlog != "-":
            for handler in self.error_log.handlers:
                handler.setFormatter(log_formatter(json=settings.logs_json))

    def access(self, *args: object) -> None:
        """Nothing: the application logs each request itself, and knows more."""


def on_starting(server: Arbiter) -> None:
    """Tell the workers how many they are, which a flag may have decided."""
    os.environ["WEB_CONCURRENCY"] = str(server.cfg.workers)
    get_settings.cache_clear()
    get_settings()  # once for all of them: `.env` may change while they run


def post_fork(_: Arbiter, worker: Worker) -> None:
    """Let signals wait until somebody hears them: uvloop forgets earlier ones."""
    if not _is_uvicorn(worker):
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def post_worker_init(worker: Worker) -> None:
    """Let answers that the server gives by itself look like all the others.

    And keep its name out of them, and give uvicorn an end to wait for.
    """
    # In the worker, where SIGHUP reads the code anew.
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    from app.server.parser_errors import adapt_uvicorn, answer_for_gunicorn

    if _is_uvicorn(worker):
        worker.config.server_header = False
        worker.config.timeout_graceful_shutdown = graceful_timeout - 1
        adapt_uvicorn(AutoHTTPProtocol)
    else:
        asgi_protocol._CACHED_SERVER_HEADER = b""
        asgi_protocol.ASGIProtocol._send_error_response = answer_for_gunicorn
        worker.loop.call_soon(signal.pthread_sigmask, signal.SIG_UNBLOCK, STOP_SIGNALS)


def _is_uvicorn(worker: Worker) -> bool:
    return hasattr(worker, "config")  # as both of its classes have


STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
wsgi_app = "app.main:app"
bind = "127.0.0.1:8000"
worker_class = "asgi"
workers = settings.web_concurrency
logger_class = StructuredLogger
accesslog = None
# A worker that does not heartbeat for so long is stuck, and is replaced.
timeout = 30
graceful_timeout = int(settings.graceful_timeout_seconds)
# Longer than the idle timeout of the load balancer in front, which is often 60:
# otherwise it sends a request just as the connection closes.
keepalive = 75
# As much as the parser takes: the application's own limits are lower, mostly.
limit_request_line = 8190
control_socket_disable = True
# The application itself reads X-Forwarded-For, and only from TRUSTED_PROXIES.
forwarded_allow_ips = ""
