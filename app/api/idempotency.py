"""`Idempotency-Key`: a POST that creates may be sent again until it is answered.

An endpoint adds one parameter, `_once: Idempotent`; its router has
`route_class=IdempotentRoute`.
Looking for the key is the transaction's first statement, hence after authorisation.
"""

import json
import re
from collections.abc import AsyncGenerator, Callable, Coroutine
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends, Header
from fastapi.exceptions import RequestValidationError
from sqlalchemy import Row
from starlette.requests import Request
from starlette.responses import Response

from app.api.dependencies import SessionDep, VisitorDep
from app.api.errors import render_app_error, render_validation_error
from app.api.routes import StrictJSONRoute
from app.core.errors import AppError, BadRequest, InvalidRequest
from app.services.idempotency import (
    AlreadyAnswered,
    Answer,
    IdempotencyKeyInUse,
    OnceOnly,
)

_VISIBLE = r"[!#-\[\]-~]{1,255}"
_KEY = re.compile(rf'({_VISIBLE})|"({_VISIBLE})"')
# Without effects, and the same whenever they are asked for.
STORED_REFUSALS = {400, 404, 422}
STORED_HEADERS = ("content-type", "etag", "location")


class IdempotencyKeyInvalid(BadRequest):
    """`Idempotency-Key` is not 1 to 255 visible ASCII characters."""

    code = "idempotency_key_invalid"


class IdempotencyKeyReused(InvalidRequest):
    """Another request was sent with the same `Idempotency-Key`."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        detail = "This Idempotency-Key was sent with another request."
        pointer = "header/idempotency-key"
        super().__init__(
            detail, [{"pointer": pointer, "code": self.code, "message": detail}]
        )


IDEMPOTENCY = (IdempotencyKeyInvalid, IdempotencyKeyInUse, IdempotencyKeyReused)


class StreamedRequest(Request):
    """A body that is not kept, hashed as it passes."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.digest = sha256()

    async def stream(self) -> AsyncGenerator[bytes, None]:
        async for chunk in super().stream():
            self.digest.update(chunk)
            yield chunk

    async def drain(self) -> None:
        if not self._stream_consumed:
            async for _ in self.stream():
                pass


class Attempt:
    """One request with a key."""

    def __init__(self, request: Request, once: OnceOnly) -> None:
        self.request = request
        self.once = once

    async def store(self, response: Response) -> None:
        headers = {
            name: response.headers[name]
            for name in STORED_HEADERS
            if name in response.headers
        }
        answer = Answer(response.status_code, headers, bytes(response.body))
        await self.once.store(await self._fingerprint(), answer)

    async def replay(self, answer: Row[Any]) -> Response:
        await self.once.session.rollback()
        if await self._fingerprint() != answer.fingerprint:
            raise IdempotencyKeyReused
        headers = {**answer.headers, "Idempotent-Replayed": "true"}
        return Response(answer.body, answer.status, headers)

    async def _fingerprint(self) -> bytes:
        url = self.request.url
        digest = sha256(f"{self.request.method} {url.path}?{url.query}\n".encode())
        if isinstance(self.request, StreamedRequest):
            await self.request.drain()
            digest.update(self.request.digest.digest())
        else:
            body = await self.request.json()
            digest.update(json.dumps(body, sort_keys=True).encode())
        return digest.digest()


async def attempt(
    request: Request,
    session: SessionDep,
    caller: VisitorDep,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="Makes it safe to send the request again, for 24 hours.",
            json_schema_extra={"pattern": rf"^({_VISIBLE}|\"{_VISIBLE}\")$"},
        ),
    ] = None,
) -> None:
    if idempotency_key is None or caller is None:
        return
    key = _KEY.fullmatch(idempotency_key)
    if key is None:
        raise IdempotencyKeyInvalid(
            "Idempotency-Key must be 1 to 255 visible ASCII characters."
        )
    once = OnceOnly(session, caller.user_id, key[1] or key[2])
    request.scope[ATTEMPT] = Attempt(request, once)


Idempotent = Annotated[None, Depends(attempt)]
ATTEMPT = "app.idempotency"


class IdempotentRoute(StrictJSONRoute):
    """Reads JSON strictly, and stores the answers of requests with a key.

    It does so inside the transaction, which ends when the handler has returned.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if not any(each.call is attempt for each in self.dependant.dependencies):
            return handle

        async def handle_once(request: Request) -> Response:
            if self.body_field is None:
                request = StreamedRequest(request.scope, request.receive)
            try:
                return await store(request, handle)
            except AlreadyAnswered as repeated:
                attempted: Attempt = request.scope[ATTEMPT]
                return await attempted.replay(repeated.answer)

        return handle_once


async def store(
    request: Request, handle: Callable[[Request], Coroutine[Any, Any, Response]]
) -> Response:
    """Handle the request; with a key, store what came of it."""
    try:
        response = await handle(request)
    except (AppError, RequestValidationError) as error:
        attempted: Attempt | None = request.scope.get(ATTEMPT)
        if attempted is None:
            raise
        refusal = await render_refusal(request, error)
        if refusal.status_code not in STORED_REFUSALS:
            raise
        await attempted.once.session.rollback()
        response = refusal
    if attempted := request.scope.get(ATTEMPT):
        await attempted.store(response)
    return response


async def render_refusal(request: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError):
        return await render_validation_error(request, error)
    return await render_app_error(request, error)
