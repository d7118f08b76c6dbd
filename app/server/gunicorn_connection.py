"""Changes to the connections of gunicorn's `asgi` worker."""

import asyncio
from collections.abc import Awaitable, Iterable
from functools import cache
from http import HTTPStatus
from typing import Any

from gunicorn.asgi.parser import PythonProtocol
from gunicorn.asgi.protocol import ASGIProtocol

from app.core.client_address import ClientAddressResolver
from app.core.config import get_settings
from app.core.drain import drain
from app.server.connections import ImpatientWriter, LingeringTransport, waiting
from app.server.early_refusal import EarlyRefusal
from app.server.parser_errors import answer
from app.server.request_target import origin_form


@cache
def early_refusal() -> EarlyRefusal:
    settings = get_settings()
    resolver = ClientAddressResolver(settings.trusted_proxies)
    return EarlyRefusal(resolver, cross_origin=bool(settings.cors_allowed_origins))


class GunicornConnection(ImpatientWriter, ASGIProtocol):  # type: ignore[misc]
    _is_malformed = False
    _answered: asyncio.Future[bool] | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(LingeringTransport(transport, self))  # type: ignore[arg-type]
        waiting.add_new(self, self.worker.nr_conns)
        self._peer = transport.get_extra_info("peername")

    def connection_lost(self, exc: Exception | None) -> None:
        """End the task of a connection that has no request.

        Gunicorn would let this task wait for `asgi_disconnect_grace_period`. A thousand
        clients that leave within this period would take 10 MiB.
        """
        if self._awaiting_request and not self._finishing_calls:
            self._request_ready.set()
            self._task = None  # gunicorn has nothing to cancel later
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_between_requests:
            refusal = early_refusal().answer(data, self._peer)
            if refusal is not None:
                self._safe_write(refusal)
                waiting.add(self, self._keepalive)
                return
        super().data_received(data)

    @property
    def _is_between_requests(self) -> bool:
        parser = self._callback_parser
        if parser.__class__ is not PythonProtocol or parser._buffer:
            return False
        if drain.is_under_way:
            return False
        if self._current_request is None:
            return bool(parser._state == "request_line")
        return parser._state == "complete" and self._is_answered

    @property
    def _is_answered(self) -> bool:
        """Whether the current request has its whole answer, and the connection stays.

        Gunicorn ends the request two turns of the event loop later. The next request of
        a near client can arrive before that.
        """
        answered = self._answered
        if answered is None or not answered.done() or answered.cancelled():
            return False
        return answered.exception() is None and answered.result()

    def _handle_http_request(
        self,
        request: Any,
        sockname: Any,
        peername: Any,
        complete: asyncio.Future[bool] | None = None,
    ) -> Awaitable[bool]:
        self._answered = complete
        return super()._handle_http_request(request, sockname, peername, complete)  # type: ignore[no-any-return]

    @property
    def is_receiving(self) -> bool:
        receiver = self._body_receiver
        return self._is_malformed or (receiver is not None and not receiver._complete)

    def stop_waiting(self) -> None:
        # The parser sets this event when the head is complete, before the request
        # starts.
        if not self._request_ready.is_set():
            self._keepalive_timeout()

    def _arm_keepalive_timer(self) -> None:
        if not self._request_ready.is_set():
            waiting.add(self, self._keepalive)

    def _cancel_keepalive_timer(self) -> None:
        waiting.remove(self)

    def _on_headers_complete(self) -> bool:
        parser = self._callback_parser
        if not parser.path.startswith(b"/"):
            parser.path, parser.headers = origin_form(parser.path, parser.headers)
        return bool(super()._on_headers_complete())

    def _feed_callback_parser(self, data: bytes) -> bool:
        try:
            going_on: bool = super()._feed_callback_parser(data)
        except ValueError:  # from int(), for a length of more than 4300 digits
            self._send_error_response(HTTPStatus.BAD_REQUEST, "")
            self._close_transport()
            return False
        return going_on

    def _will_close(self, request: Any, response_requires_close: bool) -> bool:
        # While the body is still arriving, gunicorn would close the connection without
        # sending `Connection: close`.
        requires_close = (
            drain.is_under_way or response_requires_close or self.is_receiving
        )
        return bool(super()._will_close(request, requires_close))

    def _is_websocket_upgrade(self, request: Any) -> bool:
        """Ignore `Upgrade` (RFC 9110 §7.8): the application has no WebSocket route."""
        return False

    def _send_error_response(
        self,
        status: int,
        message: str,
        extra_headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Send a problem document instead of `message`, which quotes the request.

        Gunicorn also calls this method when the client has left before the application
        answered.
        """
        self._is_malformed = True
        if not self.transport.is_closing():
            peer = self.transport.get_extra_info("peername")
            self._safe_write(answer(peer, status, extra_headers))
