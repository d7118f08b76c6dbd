"""How gunicorn serves the application. Command-line flags override these settings."""

import os
import signal
import sys

from gunicorn.arbiter import Arbiter
from gunicorn.asgi import protocol as asgi_protocol
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker

from app.core.config import ConfigurationError, get_settings
from app.core.logging import configure_logging

try:
    settings = get_settings()
except ConfigurationError as error:
    sys.exit(str(error))


class StructuredLogger(Logger):  # type: ignore[misc]
    """Sends gunicorn's records to stdout, in the format of the application's log."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        configure_logging(level=settings.log_level, json=settings.logs_json)

    def access(self, *args: object) -> None:
        """Log nothing: the application logs each request itself, in more detail."""


def on_starting(server: Arbiter) -> None:
    """Set the settings of all workers: `.env` may change while they run.

    The number of workers comes from gunicorn, because a flag may override it.
    """
    os.environ["WEB_CONCURRENCY"] = str(server.cfg.workers)
    get_settings.cache_clear()
    get_settings()


def post_fork(_: Arbiter, worker: Worker) -> None:
    """Hold signals back until the event loop runs: uvloop forgets earlier ones."""
    if not _is_uvicorn(worker):
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def post_worker_init(worker: Worker) -> None:
    """Patch the server's own answers: a problem document, without the server's name.

    An uvicorn worker also gets a limit for its shutdown. Without one it waits until
    gunicorn kills it, and the application does not close its connections.
    """
    # Imported in the worker, because SIGHUP starts workers with new code.
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    from app.server.parser_errors import adapt_uvicorn, answer_for_gunicorn

    if _is_uvicorn(worker):
        worker.config.server_header = False
        worker.config.timeout_graceful_shutdown = worker.cfg.graceful_timeout - 1
        adapt_uvicorn(AutoHTTPProtocol)
    else:
        asgi_protocol._CACHED_SERVER_HEADER = b""
        asgi_protocol.ASGIProtocol._send_error_response = answer_for_gunicorn
        worker.loop.call_soon(signal.pthread_sigmask, signal.SIG_UNBLOCK, STOP_SIGNALS)


def _is_uvicorn(worker: Worker) -> bool:
    return hasattr(worker, "config")  # both worker classes of uvicorn have one


STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
wsgi_app = "app.main:app"
bind = "127.0.0.1:8000"
worker_class = "asgi"
workers = settings.web_concurrency
logger_class = StructuredLogger
accesslog = None
# Gunicorn replaces a worker that sends no heartbeat for this long.
timeout = 30
graceful_timeout = int(settings.graceful_timeout_seconds)
# Longer than the idle timeout of a load balancer, which is often 60 seconds. Otherwise
# the load balancer sends a request on a connection that is just being closed.
keepalive = 75
# As much as the parser accepts: most limits of the application are lower.
limit_request_line = 8190
control_socket_disable = True
# The application itself reads X-Forwarded-For, and only from TRUSTED_PROXIES.
forwarded_allow_ips = ""
