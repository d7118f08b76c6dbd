"""Bound how long a request may take."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.middleware.paths import own_path
from app.api.problems import log_failure, send_problem
from app.core.errors import AppError
from app.core.rate_limit.reply_timeout import Countdown


class DeadlineExceeded(AppError):
    """The service did not finish the request in time."""

    status = HTTPStatus.GATEWAY_TIMEOUT
    code = "deadline_exceeded"


class DeadlineMiddleware:
    """Cancels what takes too long to begin its answer: nobody waits for it any more.

    `asyncio.timeout` lets the driver cancel the query on the server; a cancel scope
    of anyio would abandon it there, still running.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        seconds: float,
        overrides: Mapping[str, float] | None = None,
    ) -> None:
        self.app = app
        self._default = Countdown(seconds)
        self._overrides = {
            path: Countdown(longer) for path, longer in (overrides or {}).items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        countdown = self._overrides.get(own_path(scope), self._default)
        deadline = asyncio.timeout(None)
        has_body = True

        async def receive_untimed() -> Message:
            """Leave a body that is slow to come to the limits on bodies."""
            nonlocal has_body
            if not has_body:
                return await receive()
            countdown.stop(deadline)
            message = await receive()
            has_body = message.get("more_body", False)
            countdown.start(deadline)
            return message

        async def send_in_time(message: Message) -> None:
            countdown.stop(deadline)
            await send(message)

        try:
            async with deadline:
                countdown.start(deadline)
                try:
                    await self.app(scope, receive_untimed, send_in_time)
                finally:
                    countdown.stop(deadline)
        except TimeoutError:
            if not deadline.expired():
                raise
            error = DeadlineExceeded("The service did not finish in time.")
            log_failure(error)
            await send_problem(scope, receive, send, error)
