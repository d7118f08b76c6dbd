from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import Response
from pydantic import BaseModel, Field

from app.api.authorization import public
from app.api.dependencies import StateDep
from app.api.rate_limits import unlimited
from app.api.routes import api_router
from app.core.drain import drain

router = api_router("/health", tags=["health"], about="Probes of this instance.")

PROBE = "A refused probe would take a busy instance out of service."
Name = Literal["database", "redis", "schema"]
NAMES: tuple[Name, ...] = ("database", "redis", "schema")
Status = Annotated[
    Literal["ready", "degraded", "unavailable", "draining"],
    Field(title="ReadinessStatus"),
]
State = Annotated[
    Literal["healthy", "unhealthy", "disabled"], Field(title="DependencyState")
]


class Liveness(BaseModel):
    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    status: Status
    checks: dict[Name, State]


@router.get(
    "/live", name="health_live", openapi_extra=public("Orchestrators have no account.")
)
@unlimited(PROBE)
async def live() -> Liveness:
    """Answer 200 while the process runs and its event loop responds."""
    return Liveness()


@router.get(
    "/ready",
    name="health_ready",
    responses={503: {"model": Readiness, "description": "This instance cannot serve."}},
    openapi_extra=public("Load balancers have no account."),
)
@unlimited(PROBE)
async def ready(state: StateDep, response: Response) -> Readiness:
    """Report whether this instance could serve at the last background probe."""
    healthy = state.health.healthy
    checks: dict[Name, State] = dict.fromkeys(NAMES, "disabled")
    for name in NAMES:
        if name in healthy:
            checks[name] = "healthy" if healthy[name] else "unhealthy"
    failed = {name for name, state in checks.items() if state == "unhealthy"}
    critical = set(state.settings.readiness_critical)
    if "database" in critical:
        critical.add("schema")
    status: Status = "degraded" if failed else "ready"
    if drain.is_instance_leaving:
        status = "draining"
    elif failed & critical:
        status = "unavailable"
    if status in {"draining", "unavailable"}:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Readiness(status=status, checks=checks)
