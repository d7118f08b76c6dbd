"""The metrics of all workers, for Prometheus."""

from fastapi import FastAPI, Request, Response

from app.api.authorization import public
from app.api.dependencies import StateDep
from app.api.rate_limits import unlimited
from app.core.config import Settings
from app.core.errors import Unauthorized
from app.core.metrics_port import CONTENT_TYPE, is_allowed
from app.services.sampling import Sampler
from app.state import AppState

PATH = "/metrics"


def make_sampler(state: AppState) -> Sampler:
    return Sampler(
        state.database,
        state.settings.environment,
        state.health.healthy,
        lambda: state.hasher.queued,
    )


def add_metrics(app: FastAPI, settings: Settings) -> None:
    """Serve `/metrics`. Outside of development, do so only if METRICS_TOKEN is set."""
    if settings.serves_metrics:
        app.add_api_route(
            PATH,
            read_metrics,
            include_in_schema=False,
            openapi_extra=public("METRICS_TOKEN protects it outside of development."),
        )


@unlimited("Prometheus must see the service also while others exceed their limits.")
async def read_metrics(request: Request, state: StateDep) -> Response:
    if not is_allowed(state.settings, request.headers.get("authorization", "")):
        raise Unauthorized("Send METRICS_TOKEN as `Authorization: Bearer`.")
    body = await state.single(make_sampler).scrape()
    return Response(body, media_type=CONTENT_TYPE)
