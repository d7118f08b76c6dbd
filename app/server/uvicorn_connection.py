"""Changes to the HTTP connections of uvicorn."""

import asyncio
from collections import deque
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.core.drain import drain
from app.server.connections import ImpatientWriter, LingeringTransport, waiting
from app.server.parser_errors import answer
from app.server.request_target import origin_form


class UvicornConnection(ImpatientWriter, HttpToolsProtocol):
    _is_malformed = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Ignore `Upgrade` (RFC 9110 §7.8): the application has no WebSocket route.
        self.ws_protocol_class = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(LingeringTransport(transport, self))  # type: ignore[arg-type]
        waiting.add_new(self, len(self.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        waiting.remove(self)
        # If there are several pipelined requests, uvicorn tells only the last request
        # that the connection is lost. If an earlier request then writes, uvloop raises
        # an error.
        self.transport.write = lambda data: None
        super().connection_lost(exc)

    @property
    def is_receiving(self) -> bool:
        cycle = self.cycle
        # If uvicorn keeps the connection, it drops the rest of the body itself.
        return self._is_malformed or (
            cycle is not None and cycle.more_body and not cycle.keep_alive
        )

    def stop_waiting(self) -> None:
        self.transport.close()

    def on_headers_complete(self) -> None:
        if not self.url.startswith(b"/"):
            # Uvicorn would ignore the host of the target. The scope refers to the list
            # of headers, so change this list and do not replace it.
            self.url, self.headers[:] = origin_form(self.url, self.headers)
        if not self.url.startswith(b"/"):
            raise ValueError("The target is not a path.")  # answered with 400
        waiting.remove(self)
        super().on_headers_complete()
        if drain.is_under_way:
            self.cycle.keep_alive = False
        # Uvicorn would add trailers to the list of headers. A trailer must not become a
        # header (RFC 9110 §6.5): it could replace X-Forwarded-For.
        self.headers = deque(maxlen=0)  # type: ignore[assignment]

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # Wait for the next request, unless a pipelined one is there already.
        if self.cycle.response_complete and not self.transport.is_closing():
            waiting.add(self, self.timeout_keep_alive)

    def send_400_response(self, msg: str) -> None:
        self._is_malformed = True
        self.transport.write(answer(self.client))
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing, because the warning asks for a WebSocket library."""
