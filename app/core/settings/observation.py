"""Metrics, traces, error reports and log sampling."""

import socket
from importlib.util import find_spec

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from app.core.settings.base import (
    AppSettings,
    outside_development,
    refuse,
    split_url,
)
from app.identity import VERSION

LEAST_TOKEN = 16  # characters


class ObservationSettings(AppSettings):
    """Metrics, traces, error reports and log sampling."""

    log_sample: float = Field(1.0, ge=0, le=1)
    """Share of the requests whose log line the service keeps: `0.1` keeps one in ten.
    The service always keeps the lines of requests that get a status of 400 or higher,
    or that take more than a second.
    """

    metrics_token: SecretStr | None = Field(None, repr=False)
    """Token of at least 16 characters that Prometheus sends to read `/metrics`. Without
    METRICS_TOKEN, everyone can read `/metrics` in development, and `/metrics` does not
    exist outside development.
    """

    metrics_port: int | None = Field(None, ge=1, le=65535)
    """An additional port, which serves only `/metrics`. The mail worker (`worker`)
    serves its metrics only on this port. On one machine, each service and each `worker`
    needs a different port. Outside development this setting needs METRICS_TOKEN.
    """

    telemetry_endpoint: str = ""
    """Base URL of the OTLP collector to which the service sends traces, such as
    `http://collector:4318`. The service appends `/v1/traces`. Empty: no traces. This
    setting needs the packages of `requirements/extras.txt`.
    """

    telemetry_sample: float = Field(0.05, ge=0, le=1)
    """Share of the requests and of the mails that are traced. If a proxy of
    TRUSTED_PROXIES sends `traceparent`, the proxy decides whether the request is
    traced.
    """

    trace_url: str = ""
    """URL of a trace in your tracing tool, such as
    `https://traces.example.com/trace/{trace_id}`. The command `why` prints this URL for
    a request that was traced.
    """

    sentry_dsn: SecretStr | None = Field(None, repr=False)
    """DSN of a Sentry project that gets unexpected errors, without their messages and
    values. This setting needs the packages of `requirements/extras.txt`.
    """

    @field_validator("metrics_token")
    @classmethod
    def _long_token(cls, token: SecretStr | None) -> SecretStr | None:
        refuse(
            token is not None and len(token.get_secret_value()) < LEAST_TOKEN,
            f"must have at least {LEAST_TOKEN} characters",
        )
        return token

    @field_validator("metrics_port")
    @classmethod
    def _protected_port(cls, port: int | None, info: ValidationInfo) -> int | None:
        refuse(
            port and outside_development(info) and not info.data.get("metrics_token"),
            "needs METRICS_TOKEN outside of development",
        )
        return port

    @field_validator("telemetry_endpoint")
    @classmethod
    def _collector(cls, url: str) -> str:
        refuse(url and not is_http(url), "must be a URL such as http://collector:4318")
        refuse_without("opentelemetry.sdk", url)
        return url.rstrip("/")

    @field_validator("trace_url")
    @classmethod
    def _address_of_a_trace(cls, url: str) -> str:
        refuse(
            url and not (is_http(url) and "{trace_id}" in url),
            "must be a URL such as https://traces.example.com/trace/{trace_id}",
        )
        return url

    @field_validator("sentry_dsn")
    @classmethod
    def _sentry_project(cls, dsn: SecretStr | None) -> SecretStr | None:
        url = dsn.get_secret_value() if dsn else ""
        refuse(
            url and not (is_http(url) and split_url(url).username),
            "must be a DSN such as https://key@sentry.example.com/1",
        )
        refuse_without("sentry_sdk", url)
        return dsn

    @property
    def serves_metrics(self) -> bool:
        return self.metrics_token is not None or self.environment == "development"

    @property
    def about(self) -> dict[str, str]:
        """The fields of each log line about the process, named as in OpenTelemetry."""
        return {
            "service_name": self.app_name,
            "service_version": VERSION,
            "service_instance_id": socket.gethostname(),
            "deployment_environment_name": self.environment,
        }


def is_http(url: str) -> bool:
    parts = split_url(url)
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def refuse_without(module: str, url: str) -> None:
    """Refuse a setting whose package is not installed."""
    refuse(
        url and find_spec(module) is None,
        "needs a package: pip install --require-hashes -r requirements/extras.txt",
    )
