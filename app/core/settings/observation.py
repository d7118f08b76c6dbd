"""What operators see."""

import socket

from pydantic import Field

from app.core.settings.base import AppSettings
from app.identity import VERSION


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

    @property
    def about(self) -> dict[str, str]:
        """What each log line says about the process, by the names of OpenTelemetry."""
        return {
            "service_name": self.app_name,
            "service_version": VERSION,
            "service_instance_id": socket.gethostname(),
            "deployment_environment_name": self.environment,
        }
