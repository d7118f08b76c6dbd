"""The metrics of the service. See decision 19.

Gunicorn's workers share their metrics in the files of `PROMETHEUS_MULTIPROC_DIR`, so
that each worker can answer for all workers. Without that directory, a process knows
only its own metrics.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector

from app.core.drain import drain
from app.core.logging import writer
from app.core.metric_files import directory, locked

OTHER_METHOD = "_OTHER"
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
VERBS = {"SELECT", "INSERT", "UPDATE", "DELETE"}
# The buckets of OpenTelemetry's semantic conventions.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
FEW = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

registry = CollectorRegistry()
_pid = os.getpid()


def _read_pid() -> None:
    global _pid
    _pid = os.getpid()


os.register_at_fork(after_in_child=_read_pid)
if directory() is not None:
    # By default each change of a value asks the kernel for the id of the process.
    values.ValueClass = values.MultiProcessValue(lambda: _pid)  # type: ignore[no-untyped-call]


def counter(name: str, help_: str, *labels: str) -> Counter:
    return Counter(name, help_, labels, registry=registry)


def gauge(name: str, help_: str, *labels: str, mode: str = "livesum") -> Gauge:
    """`mode` says how the values of several workers are combined into one."""
    return Gauge(name, help_, labels, registry=registry, multiprocess_mode=mode)  # type: ignore[arg-type]


def histogram(
    name: str, help_: str, *labels: str, buckets: tuple[float, ...]
) -> Histogram:
    return Histogram(name, help_, labels, registry=registry, buckets=buckets)


requests = histogram(
    "http_server_request_duration_seconds",
    "Duration of requests, without health checks and scrapes.",
    "http_request_method",
    "http_route",
    "http_response_status_code",
    "error_type",
    buckets=SECONDS,
)
active_requests = gauge("http_server_active_requests", "Requests in progress.")
requests_shed = counter(
    "requests_shed_total", "Requests refused before any work.", "class", "reason"
)
deadline_exceeded = counter(
    "deadline_exceeded_total", "Requests cut by their deadline.", "layer"
)
statements = histogram(
    "db_client_operation_duration_seconds",
    "Duration of statements.",
    "operation",
    buckets=FEW,
)
connections = gauge(
    "db_client_connection_count", "Database connections.", "pool", "state"
)
connections_max = gauge(
    "db_client_connection_max", "Largest number of connections.", "pool"
)
connections_pending = gauge(
    "db_client_connection_pending_requests",
    "Requests that wait for a database connection.",
    "pool",
)
connection_timeouts = counter(
    "db_client_connection_timeouts_total", "Requests that got no connection in time."
)
connection_waits = histogram(
    "db_client_connection_wait_time_seconds",
    "How long a request waited for a connection.",
    buckets=FEW,
)
connection_uses = histogram(
    "db_client_connection_use_time_seconds",
    "How long a connection was in use.",
    buckets=SECONDS,
)
connection_creations = histogram(
    "db_client_connection_create_time_seconds",
    "How long PostgreSQL took to open a connection.",
    buckets=FEW,
)
dependency_up = gauge(
    "dependency_up", "1 while the dependency answers.", "name", mode="livemin"
)
schema_match = gauge(
    "db_schema_revision_match", "1 if the schema suits the code.", mode="livemin"
)
rate_limit_decisions = counter(
    "ratelimit_decisions_total", "Decisions of the limiter.", "rule", "decision"
)
circuit_open = gauge(
    "circuit_state", "1 while Redis is not asked.", "name", mode="livemax"
)
rate_limit_degraded = counter(
    "ratelimit_degraded_total", "Decisions of the limiter without Redis.", "mode"
)
idempotency = counter(
    "idempotency_total", "Requests with an Idempotency-Key.", "outcome"
)
breach_checks = counter("password_breach_checks_total", "Passwords checked.", "outcome")
outbox_pending = gauge("outbox_pending", "Mails that wait.", mode="livemostrecent")
outbox_age = gauge(
    "outbox_oldest_age_seconds",
    "Age of the oldest mail that waits.",
    mode="livemostrecent",
)
backup_made = gauge(
    "backup_last_success_timestamp_seconds",
    "Time of the last `db backup`; 0 if there is none.",
    mode="livemostrecent",
)
backup_verified = gauge(
    "restore_last_verified_timestamp_seconds",
    "Time of the last `db restore --verify`; 0 if there is none.",
    mode="livemostrecent",
)
deliveries = counter("outbox_deliveries_total", "Attempts to send a mail.", "outcome")
loop_lag = histogram(
    "event_loop_lag_seconds", "How late the event loop is.", buckets=FEW
)
hash_queue = gauge("password_hash_queue_depth", "Passwords that wait to be hashed.")
hashes = histogram(
    "password_hash_duration_seconds", "How long a hash takes.", buckets=FEW
)
app_info = gauge(
    "app_info",
    "Always 1. The labels have the version and the environment.",
    "version",
    "environment",
    mode="livemax",
)
draining = gauge("drain_state", "1 while the process drains.", mode="livemax")
log_dropped = counter("log_dropped_total", "Log lines that stdout did not take.")
cpu = counter("process_cpu_seconds_total", "CPU time, of all workers.")
memory = gauge("process_resident_memory_bytes", "Memory, of all workers.")
open_files = gauge("process_open_fds", "Open files, of all workers.")
started = gauge(
    "process_start_time_seconds", "Start of the latest worker.", mode="livemax"
)

# A series must exist before its first event, or `rate` would not see that event.
KNOWN: tuple[tuple[Counter | Gauge, tuple[tuple[str, ...], ...]], ...] = (
    (requests_shed, (("read", "overload"), ("change", "overload"))),
    (deadline_exceeded, (("request",),)),
    (rate_limit_degraded, (("local",),)),
    (circuit_open, (("redis",),)),
    (idempotency, (("stored",), ("replayed",), ("reused",), ("in_use",))),
    (breach_checks, (("breached",), ("unknown",), ("unavailable",))),
    (deliveries, (("sent",), ("postponed",), ("dead",))),
)
for metric, series in KNOWN:
    for each in series:
        metric.labels(*each)

Key = tuple[str, str, int, str]
_observe: dict[Key, Callable[[float], None]] = {}
_observe_statement: dict[str, Callable[[float], None]] = {}


def observe_request(
    method: str, route: str, status: int, error_type: str, seconds: float
) -> None:
    if method not in METHODS:
        method = OTHER_METHOD
    key = method, route, status, error_type
    if (observe := _observe.get(key)) is None:
        observe = _observe[key] = requests.labels(*key).observe
    observe(seconds)


def observe_statement(sql: str, seconds: float) -> None:
    verb = sql[:6]
    if (observe := _observe_statement.get(verb)) is None:
        known = verb if verb in VERBS else OTHER_METHOD
        observe = statements.labels(known).observe
        if known == verb:
            _observe_statement[verb] = observe
    observe(seconds)


class Process:
    """The values of this process that are sampled from time to time."""

    def __init__(self) -> None:
        self._cpu = 0.0
        self._dropped = 0
        self._started = time.time()
        self.active = 0  # requests in progress

    def sample(self) -> None:
        """Write the values that would cost too much to write whenever they change."""
        times = os.times()
        used, dropped = times.user + times.system, writer.dropped_in_total
        cpu.inc(max(0.0, used - self._cpu))
        log_dropped.inc(dropped - self._dropped)
        self._cpu, self._dropped = used, dropped
        active_requests.set(self.active)
        started.set(self._started)
        draining.set(drain.is_under_way)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        memory.set(pages * os.sysconf("SC_PAGE_SIZE"))
        open_files.set(len(os.listdir("/proc/self/fd")))


process = Process()


def render() -> bytes:
    """Write all metrics as text. This reads files, so call it in a thread."""
    if (path := directory()) is None:
        return generate_latest(registry)
    together = CollectorRegistry()
    with locked(path):
        MultiProcessCollector(together, str(path))  # type: ignore[no-untyped-call]
        return generate_latest(together)
