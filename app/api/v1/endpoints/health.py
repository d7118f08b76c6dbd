from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from app.api.authorization import public
from app.api.dependencies import ResourcesDep

router = APIRouter(prefix="/health", tags=["health"])

State = Literal["healthy", "unhealthy", "disabled"]


class Liveness(BaseModel):
    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    status: Literal["ready", "degraded", "unavailable"]
    checks: dict[Literal["database", "redis"], State]


@router.get("/live", openapi_extra=public("Orchestrators have no account."))
async def live() -> Liveness:
    """Say that the process runs and its event loop turns."""
    return Liveness()


@router.get(
    "/ready",
    responses={503: {"model": Readiness, "description": "Not ready for requests."}},
    openapi_extra=public("Load balancers have no account."),
)
async def ready(resources: ResourcesDep, response: Response) -> Readiness:
    """Say whether to send requests here, as of the last background probe."""
    healthy = resources.health.healthy
    checks: dict[Literal["database", "redis"], State] = {
        "database": "healthy" if healthy["database"] else "unhealthy",
        "redis": "disabled",
    }
    if "redis" in healthy:
        checks["redis"] = "healthy" if healthy["redis"] else "unhealthy"
    failed = {name for name, state in checks.items() if state == "unhealthy"}
    if failed.intersection(resources.settings.readiness_critical):
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return Readiness(status="unavailable", checks=checks)
    return Readiness(status="degraded" if failed else "ready", checks=checks)
