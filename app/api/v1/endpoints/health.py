from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import Response
from pydantic import BaseModel, Field

from app.api.authorization import public
from app.api.dependencies import StateDep
from app.api.rate_limits import unlimited
from app.api.routes import api_router

router = api_router("/health", tags=["health"], about="Probes of this instance.")

PROBE = "A refused probe would take a busy instance out of service."
State = Annotated[
    Literal["healthy", "unhealthy", "disabled"], Field(title="DependencyState")
]


class Liveness(BaseModel):
    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    status: Literal["ready", "degraded", "unavailable"] = Field(title="ReadinessStatus")
    checks: dict[Literal["database", "redis"], State]


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
    responses={
        503: {"model": Readiness, "description": "A critical dependency is down."}
    },
    openapi_extra=public("Load balancers have no account."),
)
@unlimited(PROBE)
async def ready(state: StateDep, response: Response) -> Readiness:
    """Report whether this instance can serve, from the last background probe."""
    healthy = state.health.healthy
    checks: dict[Literal["database", "redis"], State] = {
        "database": "healthy" if healthy["database"] else "unhealthy",
        "redis": "disabled",
    }
    if "redis" in healthy:
        checks["redis"] = "healthy" if healthy["redis"] else "unhealthy"
    failed = {name for name, state in checks.items() if state == "unhealthy"}
    if failed.intersection(state.settings.readiness_critical):
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return Readiness(status="unavailable", checks=checks)
    return Readiness(status="degraded" if failed else "ready", checks=checks)
