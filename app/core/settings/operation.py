"""Logs, health and lifecycle."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from app.core.settings.base import AppSettings, Names, PositiveSeconds, refuse


class OperationSettings(AppSettings):
    """Logs, health and lifecycle."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] | None = Field(
        None, description="Default: console in development, else json."
    )
    readiness_critical: Names = Field(
        ("database",), description="Checks whose failure makes readiness 503."
    )
    health_probe_seconds: PositiveSeconds = Field(
        2.0, description="How often dependencies are probed in the background."
    )
    web_concurrency: int = Field(
        1,
        ge=1,
        le=1000,
        description="Worker processes of this instance, as gunicorn and uvicorn read "
        "it; `--workers` of gunicorn and of `serve` goes before.",
    )
    request_deadline_seconds: PositiveSeconds = Field(
        10, description="A request that takes longer is answered 504."
    )
    graceful_timeout_seconds: PositiveSeconds = Field(
        30, description="How long a stopping worker may finish its requests."
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, level: object) -> object:
        return level.lower() if isinstance(level, str) else level

    @field_validator("readiness_critical")
    @classmethod
    def _known_checks(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        refuse(set(names) - {"database", "redis"}, "knows only `database` and `redis`")
        return names

    @field_validator("request_deadline_seconds")
    @classmethod
    def _outlasts_the_pool(cls, deadline: float, info: ValidationInfo) -> float:
        inner = ("db_pool_timeout_seconds", "db_connect_timeout_seconds")
        refuse(
            any(info.data.get(name, 0) >= deadline for name in inner),
            "must be longer than " + " and ".join(name.upper() for name in inner),
        )
        return deadline

    @field_validator("graceful_timeout_seconds")
    @classmethod
    def _outlasts_requests(cls, timeout: float, info: ValidationInfo) -> float:
        refuse(
            info.data.get("request_deadline_seconds", 0) >= timeout,
            "must be longer than REQUEST_DEADLINE_SECONDS",
        )
        return timeout
