"""Refuses requests that the process cannot handle in time, before they cost much."""

import asyncio
import time
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.middleware.paths import own_path
from app.api.problems import PROBLEM_JSON, problem_body
from app.core.admission import SAMPLE_SECONDS, Admission, Limit, door
from app.core.errors import Overloaded
from app.core.request_context import current_request

READS = frozenset({"GET", "HEAD", "OPTIONS"})
_error = Overloaded()
BEGINNING, END = problem_body(
    _error.status, _error.code, _error.detail, request_id="|"
).split(b"|")
HEADERS = (
    (b"content-type", PROBLEM_JSON.encode()),
    *(
        (name.lower().encode(), value.encode())
        for name, value in _error.headers.items()
    ),
)


class OverloadMiddleware:
    """Limits the requests under way. Reads and changes are counted separately.

    Therefore many reads cannot keep out changes, such as logins, and many changes
    cannot keep out reads. A request does not count while its client sends the body, and
    no longer counts when its answer begins.
    """

    def __init__(
        self, app: ASGIApp, *, most: int, fixed: int, uncounted: Collection[str]
    ) -> None:
        """`uncounted` are the paths of probes and uploads."""
        self.app = app
        self._uncounted = frozenset(uncounted)
        self._limit = Limit(most, fixed=fixed)
        self._reads, self._changes = Admission(self._limit), Admission(self._limit)
        self._next_sample = 0.0
        door.guard(self._limit, self._reads, self._uncounted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or own_path(scope) in self._uncounted:
            await self.app(scope, receive, send)
            return
        self._sample()
        is_read = scope["method"] in READS
        admission = self._reads if is_read else self._changes
        if not admission.enter() and not await admission.wait():
            door.count_refusal("read" if is_read else "change")
            await refuse(send)
            return
        counts = True

        async def receive_uncounted() -> Message:
            admission.leave()
            try:
                return await receive()
            finally:
                admission.under_way += 1

        async def send_uncounted(message: Message) -> None:
            nonlocal counts
            # The answer is ready. Its client can take any time to read it, and uvicorn
            # makes even the status wait until the client has read earlier answers.
            if counts:
                counts = False
                admission.leave()
            await send(message)

        try:
            await self.app(
                scope, receive if is_read else receive_uncounted, send_uncounted
            )
        finally:
            if counts:
                admission.leave()

    def _sample(self) -> None:
        """Measure the CPU time of a turn of the event loop, every `SAMPLE_SECONDS`."""
        now = time.monotonic()
        if now >= self._next_sample:
            self._next_sample = now + SAMPLE_SECONDS
            asyncio.get_running_loop().call_soon(self._end_sample, time.thread_time())

    def _end_sample(self, began: float) -> None:
        waited, door.longest_connection_wait = door.longest_connection_wait, 0.0
        turn = time.thread_time() - began
        self._limit.adapt(turn, waited, door.statement_seconds)


async def refuse(send: Send) -> None:
    """Send a prepared answer. Under overload it can be the answer to most requests."""
    request_id = b""
    if request := current_request():
        request_id = request.request_id.encode()
        request.log_fields["error_type"] = _error.code
    body = BEGINNING + request_id + END
    length = (b"content-length", str(len(body)).encode())
    headers = [*HEADERS, length]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
