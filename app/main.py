"""Assembles the application: `gunicorn app.main:app`."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware

from app.api import metrics
from app.api.authorization import check_routes
from app.api.errors import add_error_handlers
from app.api.metrics import add_metrics, make_sampler
from app.api.middleware.body_limit import BodyLimitMiddleware
from app.api.middleware.compression import CompressionMiddleware
from app.api.middleware.cors import CrossOriginMiddleware
from app.api.middleware.deadline import DeadlineMiddleware
from app.api.middleware.methods import MethodsMiddleware
from app.api.middleware.overload import OverloadMiddleware
from app.api.middleware.request_context import RequestContextMiddleware
from app.api.middleware.security_headers import SecurityHeadersMiddleware
from app.api.middleware.strict_http import StrictHttpMiddleware
from app.api.middleware.unhandled_errors import UnhandledErrorsMiddleware
from app.api.observers import Observers, make_observers
from app.api.openapi import DESCRIPTION, add_openapi
from app.api.pages.account import add_account_pages
from app.api.pages.docs import add_docs
from app.api.pages.home import add_home
from app.api.pages.registry import PAGES
from app.api.pages.requests import PATH as REQUESTS
from app.api.pages.requests import add_recent_requests
from app.api.route_index import RouteIndex
from app.api.routes import ApiRoute, ApiRouter
from app.api.uploads import Allowance, find_uploads
from app.api.v1.router import ROUTERS
from app.api.well_known import router as well_known_router
from app.core.client_address import ClientAddressResolver
from app.core.config import Settings, get_settings
from app.core.logging import configure_logging, get_logger
from app.core.metrics_port import serving_metrics
from app.core.rate_limit.policies import rates
from app.core.recent import KEPT, RecentRequests
from app.core.settings.warnings import find_warnings
from app.identity import LICENSE, VERSION
from app.services.mail.worker import delivering
from app.services.retention import purging
from app.state import open_state

log = get_logger(__name__)

NO_OBSERVERS = Observers()
MOST_PER_CONNECTION = 16  # requests under way for each database connection
CORS_METHODS = ("GET", "POST", "PATCH", "DELETE")
CORS_REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "X-Device-Token",
    "X-Request-ID",
    "X-Token-Transport",
)
CORS_RESPONSE_HEADERS = (
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Device-Token",
    "X-Request-ID",
)


def create_application(
    settings: Settings | None = None, routers: Sequence[APIRouter] = ROUTERS
) -> FastAPI:
    """Build an application. It opens no connections before its lifespan starts."""
    settings = settings or get_settings()
    configure_logging(
        level=settings.log_level, json=settings.logs_json, about=settings.about
    )
    observers = make_observers(settings, find_probes(settings))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        # Runs in the worker, after the fork: connections do not survive a fork.
        async with open_state(settings) as state:
            app.state.shared = state
            # Ask once: FastAPI would ask three libraries of telemetry for each request.
            is_traced = app._native_telemetry.enabled()
            app._native_telemetry.enabled = lambda: is_traced  # type: ignore[method-assign]
            if weak := list(find_warnings(settings)):
                log.warning("settings.weak", settings=weak)
            sampler = state.single(make_sampler)
            await state.health.start()
            async with (
                observers.sending(),
                purging(state.database, settings),
                delivering(
                    state.database, settings, state.mail_waits, observers.see_delivery
                ),
                sampler.running(),
                serving_metrics(settings, sampler.scrape, shared=True),
            ):
                yield

    recent = None
    if settings.environment == "development":
        recent = RecentRequests(maxlen=KEPT)
    uploads = find_uploads(routers, settings.api_v1_prefix, settings)
    traces = observers.traces
    make = FastAPI if traces is None else traces.application
    app = make(
        title=settings.app_name,
        version=VERSION,
        description=DESCRIPTION,
        license_info={"name": LICENSE, "identifier": LICENSE},
        openapi_tags=[
            {"name": tag, "description": router.about}
            for router in routers
            if isinstance(router, ApiRouter) and router.about
            for tag in router.tags
        ],
        servers=[{"url": settings.public_base_url}]
        if "public_base_url" in settings.model_fields_set
        else [{"url": "/"}],
        lifespan=lifespan,
        middleware=middleware(settings, uploads, recent, observers),
        telemetry=traces.telemetry if traces else None,
        openapi_url=None if settings.is_production else "/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat the client's Host header
        generate_unique_id_function=lambda route: route.name,
    )
    app.router.route_class = ApiRoute
    app.state.route_plans = settings.route_plans
    add_error_handlers(app)
    add_openapi(app)
    for router in routers:
        app.include_router(router, prefix=settings.api_v1_prefix)
    app.include_router(well_known_router)
    add_metrics(app, settings)
    add_home(app, settings)
    add_account_pages(app, settings)
    for add_pages in PAGES:
        add_pages(app, settings)
    if recent is not None:
        add_recent_requests(app, recent)
    if not settings.is_production:
        add_docs(app, f"{settings.api_v1_prefix}/auth/login")
    check_routes(app, policies=rates(settings))
    if settings.route_plans:
        app.router.middleware_stack = RouteIndex(app.router)
    return app


def middleware(
    settings: Settings,
    uploads: Mapping[str, Allowance] = MappingProxyType({}),
    recent: RecentRequests | None = None,
    observers: Observers = NO_OBSERVERS,
) -> list[Middleware]:
    """List the layers of middleware, the outermost first. Each is pure ASGI."""
    probes = find_probes(settings)
    cross_origin = bool(settings.cors_allowed_origins)
    layers = [
        Middleware(
            RequestContextMiddleware,
            resolver=ClientAddressResolver(settings.trusted_proxies),
            unlogged_paths={*probes, REQUESTS},
            sample=settings.log_sample,
            recent=recent,
            logs_statements=settings.log_level == "debug",
            trace=observers.traces.watch if observers.traces else None,
        ),
        Middleware(SecurityHeadersMiddleware, cross_origin=cross_origin),
    ]
    if cross_origin:
        layers.append(
            Middleware(
                CrossOriginMiddleware,
                allow_origins=settings.cors_allowed_origins,
                allow_methods=CORS_METHODS,
                allow_headers=CORS_REQUEST_HEADERS,
                expose_headers=CORS_RESPONSE_HEADERS,
                max_age=600,
            )
        )
    layers += [
        # Inside CORS, so that a page of another origin can read a 500.
        Middleware(
            UnhandledErrorsMiddleware,
            report=observers.errors.report if observers.errors else None,
        ),
        Middleware(
            OverloadMiddleware,
            most=MOST_PER_CONNECTION
            * (settings.db_pool_size + settings.db_max_overflow),
            fixed=settings.max_in_flight,
            uncounted=[*probes, *uploads],
        ),
        Middleware(
            StrictHttpMiddleware,
            allowed_hosts=settings.allowed_hosts,
            any_host_paths=probes,
        ),
    ]
    if settings.gzip_minimum_bytes:
        layers.append(
            Middleware(CompressionMiddleware, minimum_size=settings.gzip_minimum_bytes)
        )
    return [
        *layers,
        Middleware(
            BodyLimitMiddleware, default=settings.max_body_bytes, uploads=uploads
        ),
        Middleware(
            DeadlineMiddleware,
            seconds=settings.request_deadline_seconds,
            overrides={
                path: allowed.time.total_seconds() for path, allowed in uploads.items()
            },
        ),
        Middleware(MethodsMiddleware),
    ]


def find_probes(settings: Settings) -> list[str]:
    """List the paths that programs request all the time.

    The service does not log requests to these paths.
    """
    probes = [f"{settings.api_v1_prefix}/health/{name}" for name in ("live", "ready")]
    return [*probes, metrics.PATH]


def __getattr__(name: str) -> FastAPI:
    """Make `app` when a server asks for it, not whenever this module is imported."""
    if name != "app":
        raise AttributeError(name)
    application = globals()["app"] = create_application()
    return application


def __dir__() -> list[str]:
    """List `app` as well: `fastapi run app/main.py` looks for it here."""
    return [*globals(), "app"]
