"""Limits how long a request can take."""

import asyncio
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.middleware.paths import own_path
from app.api.problems import log_failure, refusal_response
from app.core.drain import drain
from app.core.errors import AppError, Overloaded
from app.core.metrics import deadline_exceeded


class DeadlineExceeded(AppError):
    """The service did not finish the request in time."""

    status = HTTPStatus.GATEWAY_TIMEOUT
    code = "deadline_exceeded"


@dataclass
class DeadlineMiddleware:
    """Cancels a request that takes too long to begin its answer.

    `asyncio.timeout` lets the driver cancel the query on the database server. A cancel
    scope of anyio would leave the query running there.
    """

    app: ASGIApp
    _: KW_ONLY
    seconds: float
    overrides: Mapping[str, float] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        seconds = self.overrides.get(own_path(scope), self.seconds)
        deadline = asyncio.timeout(seconds)
        has_body, answering = True, False

        async def receive_untimed() -> Message:
            """Stop the clock while the client sends.

            BodyLimitMiddleware limits this time.
            """
            nonlocal has_body
            if not has_body:
                return await receive()
            _restart(deadline, None)
            message = await receive()
            has_body = message.get("more_body", False)
            _restart(deadline, seconds)
            return message

        async def send_in_time(message: Message) -> None:
            nonlocal answering
            answering = True
            _restart(deadline, None)
            await send(message)

        drain.deadlines.add(deadline)
        try:
            async with deadline:
                await self.app(scope, receive_untimed, send_in_time)
        except TimeoutError:
            if not deadline.expired():
                raise
            if not drain.has_cut:
                deadline_exceeded.labels("request").inc()
                error: AppError = DeadlineExceeded(
                    f"The service did not answer within {seconds:g} seconds."
                )
            else:
                error = Overloaded("This instance stops. Send the request again.")
                if answering:
                    raise RuntimeError("The process stops.") from error
            log_failure(error)
            await refusal_response(error)(scope, receive, send)
        finally:
            drain.deadlines.discard(deadline)


def _restart(deadline: asyncio.Timeout, seconds: float | None) -> None:
    """Allow `seconds` from now on. None stops the clock."""
    if deadline.expired():
        return  # the request is already being cancelled
    if seconds is None and deadline.when() is None:
        return
    when = None if seconds is None else asyncio.get_running_loop().time() + seconds
    deadline.reschedule(when)
