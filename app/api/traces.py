"""Sends OpenTelemetry traces to a collector. Imported only with TELEMETRY_ENDPOINT.

FastAPI makes the span of a request. This module adds a span for each statement and
round trip that the request waits for.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from threading import Thread

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, StatusCode, TraceState
from opentelemetry.util.types import Attributes, AttributeValue
from starlette.types import Receive, Scope, Send

from app.api.middleware.paths import own_path
from app.api.middleware.request_context import TRACEPARENT, UNMATCHED
from app.core.client_address import ClientAddressResolver
from app.core.config import Settings
from app.core.request_context import Failure, RequestContext, Server
from app.identity import NAME, VERSION

# At most this many spans wait; more are lost, and the log says so.
MOST_WAITING = 2048
# Writing a report of 512 spans would block the requests of the process for 14 ms.
LARGEST_REPORT = 128  # spans
EXPORT_SECONDS = 2.0  # a report that the collector does not accept in time is lost
CLOSE_SECONDS = 1.0  # how long the process waits for the collector at its end
LONGEST_VALUE = 2048  # characters of an attribute
# Attributes of FastAPI that a span keeps. The query string can contain a token.
KEPT = frozenset(
    "http.request.method network.protocol.version server.address server.port url.path "
    "url.scheme".split()
)
NOTED = ("user_id", "session_id", "error_type", "rate_limit", "idempotency", "mails")
TRACE_HEADERS = frozenset((b"traceparent", b"tracestate", b"baggage"))


class AllowListed(Sampler):
    """Keeps every span, because `Traces.skips` has chosen the requests already.

    Of the attributes of a request, only those in `KEPT` stay.
    """

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        given = attributes or {}
        if kind is SpanKind.SERVER:
            given = {name: given[name] for name in KEPT & given.keys()}
        parent = trace.get_current_span(parent_context).get_span_context()
        return SamplingResult(Decision.RECORD_AND_SAMPLE, given, parent.trace_state)

    def get_description(self) -> str:
        return type(self).__name__


class Traces:
    def __init__(self, settings: Settings, untraced_paths: Collection[str] = ()):
        self._settings = settings
        self._untraced = frozenset(untraced_paths)
        self._resolver = ClientAddressResolver(settings.trusted_proxies)
        self.database = "sqlite" if settings.on_sqlite else "postgresql"
        about = {name.replace("_", "."): text for name, text in settings.about.items()}
        self._provider = TracerProvider(
            sampler=AllowListed(),
            resource=Resource(about),
            shutdown_on_exit=False,
            span_limits=SpanLimits(max_attribute_length=LONGEST_VALUE),
        )
        self._tracer = self._provider.get_tracer(NAME, VERSION)

    @property
    def telemetry(self) -> TelemetryConfig:
        """The argument `telemetry` of `FastAPI`."""
        return {
            "tracer_provider": self._provider,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        }

    @property
    def application(self) -> type[FastAPI]:
        skips = self.skips

        class Application(FastAPI):
            async def __call__(
                self, scope: Scope, receive: Receive, send: Send
            ) -> None:
                if scope["type"] != "lifespan" and skips(scope):
                    # FastAPI does the same for its option `exclude`, but that takes 10
                    # µs: 6 % of a read.
                    scope["fastapi.telemetry"] = None
                await super().__call__(scope, receive, send)

        return Application

    def skips(self, scope: Scope) -> bool:
        """Whether a request gets no trace. Call this before FastAPI reads the headers.

        This method also removes the headers of a trace, unless a trusted proxy sent
        them. Otherwise clients could choose which requests are traced, and traces cost
        money.
        """
        peer = scope.get("client")
        parent = None
        if self._resolver.trusts(peer[0] if peer else None):
            headers = dict(scope["headers"])
            parent = TRACEPARENT.fullmatch(headers.get(b"traceparent", b""))
        else:
            scope["headers"] = [
                header for header in scope["headers"] if header[0] not in TRACE_HEADERS
            ]
        if scope["type"] != "http" or own_path(scope) in self._untraced:
            return True
        # The last bit says whether the caller samples (Trace Context §3.2.2.5).
        return not (int(parent[2], 16) & 1 if parent else self._chooses())

    def watch(self, request: RequestContext) -> None:
        """Add the round trips of a request to the span that FastAPI has begun."""
        request.trace = RequestTrace(self, request)

    def add(
        self,
        name: str,
        seconds: float,
        failure: Failure,
        attributes: Mapping[str, AttributeValue],
        within: Context,
        kind: SpanKind = SpanKind.CLIENT,
    ) -> None:
        """Add a span that ends now."""
        end = time.time_ns()
        start = end - int(seconds * 1e9)
        span = self._tracer.start_span(name, within, kind, attributes, start_time=start)
        if failure is not None:
            span.set_attribute("error.type", failure.__qualname__)
            span.set_status(StatusCode.ERROR)
        span.end(end)

    def add_delivery(
        self, mail_id: str, template: str, seconds: float, error: Exception | None
    ) -> None:
        if self._chooses():
            about = {"mail.id": mail_id, "mail.template": template}
            failure = None if error is None else type(error)
            name, root = f"deliver {template}", Context()
            self.add(name, seconds, failure, about, root, SpanKind.CONSUMER)

    @asynccontextmanager
    async def sending(self) -> AsyncGenerator[None]:
        """Send spans from a thread until the block ends. Then send the waiting spans.

        A collector that does not answer delays the end by CLOSE_SECONDS.
        """
        url = f"{self._settings.telemetry_endpoint}/v1/traces"
        exporter = OTLPSpanExporter(url, timeout=EXPORT_SECONDS)
        self._provider.add_span_processor(
            BatchSpanProcessor(
                exporter,
                max_queue_size=MOST_WAITING,
                max_export_batch_size=LARGEST_REPORT,
            )
        )
        try:
            yield
        finally:
            # Use a daemon thread, because the interpreter does not exit before the
            # threads of asyncio have ended, even if the collector takes very long.
            closing = Thread(target=self._provider.shutdown, daemon=True)
            closing.start()
            await asyncio.to_thread(closing.join, CLOSE_SECONDS)

    def _chooses(self) -> bool:
        return random.random() < self._settings.telemetry_sample  # noqa: S311 - no secret


class RequestTrace:
    """The span of one request, and the spans within it."""

    def __init__(self, traces: Traces, request: RequestContext) -> None:
        self._traces = traces
        self._request = request
        self._span = trace.get_current_span()
        self._method: str = getattr(self._span, "name", "HTTP")
        self._within = trace.set_span_in_context(self._span, Context())
        own = self._span.get_span_context()
        request.log_fields["trace_id"] = trace.format_trace_id(own.trace_id)
        request.log_fields["span_id"] = trace.format_span_id(own.span_id)

    def add(
        self,
        server: Server,
        seconds: float,
        failure: Failure,
        sql: object = None,
        rows: int | None = None,
    ) -> None:
        """Add a round trip. Statements have placeholders in place of values."""
        system = "redis" if server == "redis" else self._traces.database
        attributes: dict[str, AttributeValue] = {"db.system.name": system}
        name: str = server
        if sql is not None:
            name, text = text_of(sql)
            attributes |= {"db.operation.name": name, "db.query.text": text}
        if rows is not None:
            attributes["db.response.returned_rows"] = rows
        self._traces.add(name, seconds, failure, attributes, self._within)

    def answer(self, route: str) -> None:
        """Add the route and fields of the log to the span. FastAPI adds the status."""
        span, fields = self._span, self._request.log_fields
        if route != UNMATCHED:
            span.update_name(f"{self._method} {route}")
            span.set_attribute("http.route", route)
        span.set_attribute("request_id", self._request.request_id)
        span.set_attributes({name: fields[name] for name in NOTED if name in fields})


@lru_cache(maxsize=1024)
def text_of(sql: object) -> tuple[str, str]:
    """Return the verb and the text. Cached, because SQLAlchemy writes text slowly."""
    text = str(sql).strip()
    return text.split(maxsplit=1)[0].upper(), text
