"""What operators see."""

import socket

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from app.core.settings.base import AppSettings, outside_development, refuse
from app.identity import VERSION

LEAST_TOKEN = 16  # characters


class ObservationSettings(AppSettings):
    """What operators see."""

    log_sample: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Share of the requests whose log line is kept: `0.1` keeps one in "
        "ten. The lines of errors and of requests that take more than a second are "
        "always kept.",
    )

    metrics_token: SecretStr | None = Field(
        None,
        repr=False,
        description="Token of at least 16 characters that Prometheus sends to read "
        "`/metrics`. Without it, `/metrics` is open in development and does not exist "
        "otherwise.",
    )
    metrics_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="A port of its own for `/metrics`, beside that of the service. "
        "`worker` serves its metrics only there. Each process of a machine needs "
        "another port. Outside of development METRICS_TOKEN must be set.",
    )

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

    @property
    def serves_metrics(self) -> bool:
        return self.metrics_token is not None or self.environment == "development"

    @property
    def about(self) -> dict[str, str]:
        """What each log line says about the process, by the names of OpenTelemetry."""
        return {
            "service_name": self.app_name,
            "service_version": VERSION,
            "service_instance_id": socket.gethostname(),
            "deployment_environment_name": self.environment,
        }
