"""Logs, health and lifecycle."""

from datetime import timedelta
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from app.core.settings.base import (
    AppSettings,
    Names,
    PositiveSeconds,
    Seconds,
    outside_development,
    refuse,
)
from app.core.settings.changes import RELEASE
from app.identity import DEFAULTS

# The last seconds before gunicorn kills a worker. The worker needs up to one of them to
# notice the signal, and the others to close the application.
SHUTDOWN_RESERVE_SECONDS = 3


class OperationSettings(AppSettings):
    """Logs, health and lifecycle."""

    defaults: str = Field(DEFAULTS, pattern=rf"^({RELEASE.pattern})?$")
    """Release, such as `0.1.0`, whose defaults the service uses. If a later release has
    changed the default of a setting, the service keeps the earlier default. Empty: the
    newest defaults. The command `new` sets DEFAULTS in a new repository to the release
    that it copies.
    """

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level of the events that the service logs. With `debug`, the line of a
    request also lists its SQL statements, without their values.
    """

    log_format: Literal["json", "console"] | None = None
    """Form of the log lines: `json` for programs, `console` for people. Default:
    `console` in development, else `json`.
    """

    readiness_critical: Names = ("database",)
    """Dependencies, comma-separated: `database`, `redis`. If one of the listed
    dependencies fails, readiness answers 503. With `database`, readiness also answers
    503 while the schema lacks a migration.
    """

    health_probe_seconds: PositiveSeconds = 2.0
    """Seconds between two background probes of a dependency."""

    web_concurrency: int = Field(1, ge=1, le=1000)
    """Worker processes of this instance. `--workers` of gunicorn and of `serve` takes
    precedence. If you set neither, gunicorn starts 1 worker, and `serve` starts one per
    core, at most 4 (on SQLite 1).
    """

    max_connections: int = Field(900, ge=1)
    """Client connections that a worker keeps open. When there are more, the worker
    closes the connection that has waited longest for a request. The service raises its
    limit for open files to MAX_CONNECTIONS plus 100. The service does not start if the
    hard limit (`ulimit -Hn`) is lower.
    """

    request_deadline_seconds: PositiveSeconds = 10
    """Seconds until a request that has no answer yet gets a 504. Must exceed
    DB_POOL_TIMEOUT_SECONDS, DB_CONNECT_TIMEOUT_SECONDS and
    DB_STATEMENT_TIMEOUT_SECONDS.
    """

    export_timeout_seconds: PositiveSeconds = 600
    """Seconds that a client can take to read an export. After this time the service
    cuts the export, because an export holds a database connection.
    """

    audit_retention_days: int = Field(365, ge=30, le=36500)
    """Days after which the service deletes an audit event."""

    max_in_flight: int = Field(0, ge=0, le=10_000)
    """Largest number of reads that a worker handles at the same time. In addition, the
    worker handles the same number of changes. Further requests wait at most 50 ms, and
    then get a 503. With 0 the worker finds the number itself, between 16 and
    16 * (DB_POOL_SIZE + DB_MAX_OVERFLOW).
    """

    drain_delay_seconds: Seconds | None = None
    """Seconds for which a worker continues to serve after SIGTERM. Meanwhile readiness
    answers 503 and each answer has `Connection: close`, so that load balancers send new
    requests to other instances, and clients close their connections. A preStop hook
    does not replace this delay. Default: 0 in development, else 5.
    """

    graceful_timeout_seconds: PositiveSeconds = 30
    """Seconds that a worker has to stop. First the worker continues to serve for
    DRAIN_DELAY_SECONDS. Then it waits for the requests that still run, until only 3
    seconds are left. When the time is over, gunicorn kills the worker. Therefore this
    setting must exceed DRAIN_DELAY_SECONDS plus REQUEST_DEADLINE_SECONDS by more than 3
    seconds.
    """

    route_plans: bool = True
    """By default, the service makes a plan of each route when it starts: how to find
    the route, and how to handle its requests. With `false`, FastAPI does this work for
    each request. The answers are the same, but need more CPU time. If you suspect an
    error in a plan, set `false` and see whether the error goes away.
    """

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, level: object) -> object:
        return level.lower() if isinstance(level, str) else level

    @field_validator("readiness_critical")
    @classmethod
    def _known_checks(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        refuse(
            set(names) - {"database", "redis"}, "can only name `database` and `redis`"
        )
        return names

    @field_validator("request_deadline_seconds")
    @classmethod
    def _outlasts_the_database(cls, deadline: float, info: ValidationInfo) -> float:
        inner = ("pool", "connect", "statement")
        names = [f"db_{name}_timeout_seconds" for name in inner]
        refuse(
            any(info.data.get(name, 0) >= deadline for name in names),
            "must be longer than " + " and ".join(name.upper() for name in names),
        )
        return deadline

    @field_validator("drain_delay_seconds")
    @classmethod
    def _drains_where_others_can_serve(
        cls, delay: float | None, info: ValidationInfo
    ) -> float:
        return 5.0 * outside_development(info) if delay is None else delay

    @field_validator("graceful_timeout_seconds")
    @classmethod
    def _outlasts_requests(cls, timeout: float, info: ValidationInfo) -> float:
        before = ("drain_delay_seconds", "request_deadline_seconds")
        needed = sum(info.data.get(name) or 0 for name in before)
        refuse(
            needed + SHUTDOWN_RESERVE_SECONDS >= timeout,
            "must exceed DRAIN_DELAY_SECONDS plus REQUEST_DEADLINE_SECONDS by more "
            f"than {SHUTDOWN_RESERVE_SECONDS} seconds",
        )
        return timeout

    @property
    def export_time(self) -> timedelta:
        return timedelta(seconds=self.export_timeout_seconds)

    @property
    def drain_delay(self) -> float:
        return self.drain_delay_seconds or 0
