"""The answer to an exception that no handler expects."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.middleware.request_context import route_template
from app.api.problems import refusal_response
from app.core.errors import AppError, explain
from app.core.logging import get_logger
from app.core.request_context import current_request

log = get_logger(__name__)


class InternalError(AppError):
    """The service failed. Search its log for the `request_id`."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    code = "internal_error"


@dataclass
class UnhandledErrorsMiddleware:
    """Logs an unhandled exception once and reveals nothing of it in the answer."""

    app: ASGIApp
    # Called with each error and with fields of its log line. None: only log errors.
    report: Callable[..., Any] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answering = False

        async def send_watched(message: Message) -> None:
            nonlocal answering
            answering = True
            await send(message)

        try:
            await self.app(scope, receive, send_watched)
        except ClientDisconnect:
            pass  # the client left while it sent its body: no answer is possible
        except Exception as error:
            late = error.__cause__
            if answering and isinstance(late, AppError):
                # If an AppError comes after the answer has begun, Starlette raises a
                # RuntimeError from it. The server then cuts the connection, because the
                # answer stays incomplete.
                log.warning("http.cut", code=late.code, **explain(late))
                return
            log.exception("http.unhandled_error", error_type=type(error).__qualname__)
            if self.report is not None:
                request = current_request()
                self.report(
                    error,
                    method=scope["method"],
                    route=route_template(scope),
                    status_code=InternalError.status.value,
                    request_id=request and request.request_id,
                )
            if answering:
                raise  # the answer is incomplete, so the server cuts the connection
            failure = InternalError("The service failed to handle the request.")
            await refusal_response(failure)(scope, receive, send)
