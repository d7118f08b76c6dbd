"""A server that receives traces, and errors for Sentry, from the service."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import orjson

TRACES = "/v1/traces"


class Collector(ThreadingHTTPServer):
    """Keeps each report. With `answers=False` it takes reports and never answers."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *, answers: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.closed = Event()
        self.received: list[tuple[str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def dsn(self) -> str:
        return f"http://key@127.0.0.1:{self.server_port}/1"

    @property
    def bytes(self) -> bytes:
        return b"".join(body for _, body in self.received)

    @property
    def spans(self) -> list[Any]:
        """The spans in the messages of OpenTelemetry's protocol."""
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

        messages = [
            trace_service_pb2.ExportTraceServiceRequest.FromString(body)
            for path, body in self.received
            if path == TRACES
        ]
        return [
            span
            for message in messages
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def errors(self) -> list[Any]:
        """The events for Sentry: each is the third line of its envelope."""
        bodies = [body for path, body in self.received if path != TRACES]
        return [orjson.loads(body.splitlines()[2]) for body in bodies]


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        self.server.received.append((self.path, body))
        if not self.server.answers:
            self.server.closed.wait()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def run_collector(*, answers: bool = True) -> Iterator[Collector]:
    with Collector(answers=answers) as collector:
        Thread(target=collector.serve_forever, args=(0.01,), daemon=True).start()
        yield collector
        collector.closed.set()
        collector.shutdown()


def attributes(span: Any) -> dict[str, Any]:
    values = {each.key: each.value for each in span.attributes}
    return {
        name: getattr(value, value.WhichOneof("value"))
        for name, value in values.items()
    }
