"""How gunicorn serves the application. Command-line flags override these settings."""

import gc
import os
import signal
import sys
from functools import partial
from http import HTTPStatus
from math import ceil

from gunicorn.arbiter import Arbiter
from gunicorn.asgi import protocol as asgi_protocol
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker

from app.core import metric_files
from app.core.config import ConfigurationError, get_settings
from app.core.logging import configure_logging
from app.core.settings.operation import SHUTDOWN_RESERVE_SECONDS
from app.server.connections import reserve_files, waiting
from app.server.signals import STOP_SIGNALS, send_signal

# This table of formatted chunk sizes takes 2 MiB of each worker. Gunicorn itself
# formats a size that is not in the table.
asgi_protocol._CHUNK_PREFIXES.clear()

try:
    settings = get_settings()
except ConfigurationError as error:
    sys.exit(str(error))


class StructuredLogger(Logger):  # type: ignore[misc]
    """Sends gunicorn's records to stdout, in the format of the application's log."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        configure_logging(
            level=settings.log_level, json=settings.logs_json, about=settings.about
        )

    def access(self, *args: object) -> None:
        """Log nothing: the application logs each request itself, in more detail."""


def on_starting(server: Arbiter) -> None:
    """Read the settings before the fork, so that all workers have the same ones.

    `.env` can change while the workers run. The number of workers comes from gunicorn,
    because a flag can override the setting.
    """
    metric_files.create_directory()
    os.environ["WEB_CONCURRENCY"] = str(server.cfg.workers)
    get_settings.cache_clear()
    reserve_files(get_settings().max_connections)
    server.kill_worker = partial(send_signal, server)
    server.handle_int = partial(interrupt, server)


def interrupt(server: Arbiter) -> None:
    """Stop at once after Ctrl-C, and exit with 130, as each command does."""
    server.is_interrupted = True
    Arbiter.handle_int(server)


def post_fork(server: Arbiter, worker: Worker) -> None:
    """Block the stop signals until the event loop runs: uvloop loses earlier ones."""
    # Set the thresholds before the worker imports the application. With the defaults,
    # the garbage collector takes 8 % of the time that a worker needs to start.
    gc.set_threshold(10_000, 20, 50)
    worker.has_socket_of_systemd = server.systemd
    if not _is_uvicorn(worker):
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def child_exit(_: Arbiter, worker: Worker) -> None:
    metric_files.bury(worker.pid)


def on_exit(server: Arbiter) -> None:
    metric_files.delete_directory()
    if hasattr(server, "is_interrupted"):
        sys.exit(128 + signal.SIGINT)


def post_worker_init(worker: Worker) -> None:
    """Use our own class for connections, and hide the server's name.

    When a worker stops, it waits for its requests. This wait must be shorter than the
    time that gunicorn gives the worker. Otherwise gunicorn kills the worker before the
    application has closed its connections.
    """
    # Imported in the worker, because SIGHUP starts workers with new code.
    from gunicorn.workers import gasgi

    from app.server.stopping import Stopping, drain_asgi, drain_uvicorn

    current = get_settings()
    patience = max(0, worker.cfg.graceful_timeout - SHUTDOWN_RESERVE_SECONDS)
    delay = min(current.drain_delay, patience)
    stopping = Stopping(
        delay, patience - delay, worker.has_socket_of_systemd, worker.max_requests
    )
    # One second more, so that the requests that the drain has cut can still be
    # answered.
    patience = ceil(stopping.patience) + 1
    waiting.most_open = current.max_connections
    if _is_uvicorn(worker):
        from app.server.uvicorn_connection import UvicornConnection

        worker.config.server_header = False
        worker.config.timeout_graceful_shutdown = patience
        worker.config.http = UvicornConnection
        drain_uvicorn(worker, stopping)
    else:
        from app.server.gunicorn_connection import GunicornConnection

        worker.cfg.set("graceful_timeout", patience)
        asgi_protocol._CACHED_SERVER_HEADER = b""
        # Gunicorn's table of reason phrases lacks some.
        asgi_protocol._REASON_PHRASES.update({s.value: s.phrase for s in HTTPStatus})
        gasgi.ASGIProtocol = GunicornConnection
        drain_asgi(worker, stopping)
        worker.loop.call_soon(signal.pthread_sigmask, signal.SIG_UNBLOCK, STOP_SIGNALS)
    collect_less()


def collect_less() -> None:
    """Exclude the objects of the application from garbage collection.

    These objects live as long as the worker. If the collector looked at them, it would
    take a fifth of the time of a read, and each full collection would hold up all
    requests.
    """
    gc.collect()
    gc.freeze()


def _is_uvicorn(worker: Worker) -> bool:
    return hasattr(worker, "config")  # only the worker classes of uvicorn have it


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
# Seconds until the worker cancels a request whose client has left. The deadline of the
# request comes first, so a write ends in the same way whether its client waits or not.
asgi_disconnect_grace_period = ceil(settings.request_deadline_seconds) + 1
# The longest line that the parser accepts. Most limits of the application are lower.
limit_request_line = 8190
control_socket_disable = True
# The application itself reads X-Forwarded-For, and only from TRUSTED_PROXIES.
forwarded_allow_ips = ""
