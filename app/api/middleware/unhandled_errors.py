"""The answer to an exception nobody expected."""

from http import HTTPStatus

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import send_problem
from app.core.errors import AppError, explain
from app.core.logging import get_logger


class InternalError(AppError):
    """The server failed; the request id finds the failure in the log."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    code = "internal_error"


class LastResortMiddleware:
    """Logs an unhandled exception once, and answers nothing of what it says."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._log = get_logger(__name__)

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
            pass  # it left in the middle of its body: nobody is there to answer
        except Exception as error:
            late = error.__cause__
            if answering and isinstance(late, AppError):
                # Starlette's, for a refusal when the answer has begun. Returning
                # without its end makes the server cut the connection.
                self._log.warning("http.cut", code=late.code, **explain(late))
                return
            self._log.exception(
                "http.unhandled_error", error_type=type(error).__qualname__
            )
            if answering:
                raise  # the server must cut the connection: the answer is not whole
            failure = InternalError("The server failed to handle the request.")
            await send_problem(scope, receive, send, failure)
