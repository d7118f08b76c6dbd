"""Bounds the size of a request body, and the time in which it must arrive."""

import asyncio
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.middleware.paths import own_path
from app.api.problems import refusal_response
from app.api.uploads import Allowance
from app.core.errors import AppError

# A number with more digits is too large in any case, and `int` raises an exception for
# 5000 digits.
LONGEST_LENGTH = 18


class BodyTooLarge(AppError):
    """The request body is larger than this resource accepts."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "body_too_large"


class RequestTimedOut(AppError):
    """The request body did not arrive in time."""

    status = HTTPStatus.REQUEST_TIMEOUT
    code = "request_timeout"


@dataclass
class BodyLimitMiddleware:
    """Limits bodies to `default` bytes. An upload has its own `Allowance`, by its path.

    The client must not pause for longer than `silence`. It must send the whole body
    within `total`, or within the time of the `Allowance`.
    """

    app: ASGIApp
    _: KW_ONLY
    default: int
    uploads: Mapping[str, Allowance] = field(default_factory=dict)
    silence: timedelta = timedelta(seconds=10)
    total: timedelta = timedelta(seconds=30)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _may_have_body(scope):
            await self.app(scope, receive, send)
            return
        allowed = self.uploads.get(own_path(scope))
        limit, time = allowed or (self.default, self.total)
        silence, total = self.silence.total_seconds(), time.total_seconds()
        body = _LimitedBody(scope, receive, send, limit, silence, total)
        if _declared_length(scope) > limit:
            await body.refuse_size()
        else:
            await self.app(scope, body.receive, body.send)


@dataclass(slots=True)
class _LimitedBody:
    """A body that is being read. Beyond a limit, the application sees a disconnect."""

    _scope: Scope
    _receive: Receive
    _send: Send
    _limit: int
    _silence: float
    _total: float
    _deadline: float | None = None
    _size: int = 0
    _complete: bool = False  # if so, `receive` waits without a deadline
    _responding: bool = False
    _refused: bool = False

    async def receive(self) -> Message:
        if self._refused:
            return {"type": "http.disconnect"}
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._next_deadline()):
                message = await self._receive()
        except TimeoutError:
            return await self._refuse(
                RequestTimedOut(
                    f"The request body must arrive within {self._total:g} s, "
                    f"without a pause of {self._silence:g} s."
                )
            )
        self._size += len(message.get("body", b""))
        if self._size > self._limit:
            return await self.refuse_size()
        self._complete = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if self._refused and not self._responding:
            return  # the refusal was sent, so drop the application's answer
        self._responding = True
        await self._send(message)

    async def refuse_size(self) -> Message:
        return await self._refuse(
            BodyTooLarge(f"The request body must not exceed {self._limit} bytes.")
        )

    async def _refuse(self, error: AppError) -> Message:
        self._refused = True
        if self._scope["http_version"].startswith("1"):
            # Otherwise the server reads the rest of the body, to find the next request.
            error.headers = {**error.headers, "Connection": "close"}
        if not self._responding:
            await refusal_response(error)(self._scope, self._receive, self._send)
        return {"type": "http.disconnect"}

    def _next_deadline(self) -> float:
        now = asyncio.get_running_loop().time()
        if self._deadline is None:
            self._deadline = now + self._total
        return min(self._deadline, now + self._silence)


def _may_have_body(scope: Scope) -> bool:
    # From HTTP/2 on, a body needs none of these headers (RFC 9113 §8.1).
    return not scope["http_version"].startswith("1") or any(
        name in {b"content-length", b"transfer-encoding"}
        for name, _ in scope["headers"]
    )


def _declared_length(scope: Scope) -> float:
    """Read `Content-Length`. Without it return 0, and count the body as it arrives."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value) if len(value) <= LONGEST_LENGTH else float("inf")
    return 0
