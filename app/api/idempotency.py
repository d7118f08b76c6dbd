"""`Idempotency-Key`: a client can repeat a POST until it gets an answer.

An endpoint adds one parameter, `_once: Idempotent`, after the parameter that authorises
the caller, because dependencies run in the order of the parameters.
"""

import hmac
import json
import re
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends, Header
from fastapi.exceptions import RequestValidationError
from sqlalchemy import Row
from starlette.requests import Request
from starlette.responses import Response

from app.api.authentication import VisitorDep
from app.api.dependencies import SessionDep, StateDep
from app.api.errors import invalid_request
from app.api.problems import refusal_response
from app.core.errors import AppError, BadRequest, InvalidRequest
from app.core.metrics import idempotency
from app.core.request_context import current_request
from app.core.security import SecretRing
from app.services.idempotency import AlreadyAnswered, IdempotencyKeyInUse, OnceOnly

_VISIBLE = r"[!#-\[\]-~]{1,255}"
_KEY = re.compile(rf'({_VISIBLE})|"({_VISIBLE})"')
# A request that is refused with one of these statuses has no effect. A repetition
# usually gets the same refusal.
STORED_REFUSALS = {404, 422}
STORED_HEADERS = ("content-type", "etag", "location")


class IdempotencyKeyInvalid(BadRequest):
    """`Idempotency-Key` must be 1 to 255 visible ASCII characters."""

    code = "idempotency_key_invalid"


class IdempotencyKeyReused(InvalidRequest):
    """A different request was already sent with this `Idempotency-Key`."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        detail = (
            "A different request was already sent with this Idempotency-Key. "
            "Send each new request with a new key."
        )
        pointer = "header/idempotency-key"
        super().__init__(
            detail, [{"pointer": pointer, "code": self.code, "message": detail}]
        )


IDEMPOTENCY = (IdempotencyKeyInvalid, IdempotencyKeyInUse, IdempotencyKeyReused)


class StreamedRequest(Request):
    """Hashes the body while the endpoint reads it, and keeps no copy of the body."""

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


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request with a key."""

    request: Request
    once: OnceOnly
    ring: SecretRing

    async def store(self, response: Response) -> None:
        self._note("stored")
        fingerprint, *_ = await self._fingerprints()
        given = response.headers
        headers = {name: given[name] for name in STORED_HEADERS if name in given}
        body = bytes(response.body)
        await self.once.keep(fingerprint, response.status_code, headers, body)

    async def replay(self, answer: Row[Any]) -> Response:
        await self.once.session.rollback()
        if answer.fingerprint not in await self._fingerprints():
            idempotency.labels("reused").inc()
            raise IdempotencyKeyReused
        self._note("replayed")
        headers = {**answer.headers, "Idempotent-Replayed": "true"}
        return Response(answer.body, answer.status, headers)

    def _note(self, outcome: str) -> None:
        idempotency.labels(outcome).inc()
        if request := current_request():
            request.log_fields["idempotency"] = outcome

    async def _fingerprints(self) -> list[bytes]:
        """Return an HMAC with each secret: a plain hash could reveal a password."""
        request, url = self.request, self.request.url
        media_type, *_ = request.headers.get("content-type", "").lower().split(";")
        head = f"{request.method} {url.path}?{url.query}\n{media_type.strip()}\n"
        if isinstance(request, StreamedRequest):
            await request.drain()
            body = request.digest.digest()
        else:
            body = json.dumps(await request.json(), sort_keys=True).encode()
        keys = self.ring.derive_all("request-fingerprint-v1")
        return [hmac.digest(key, head.encode() + body, "sha256") for key in keys]


async def claim_key(
    request: Request,
    state: StateDep,
    session: SessionDep,
    caller: VisitorDep,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="A text that you choose, new for each request. If you repeat "
            "the request with the same text within 24 hours, it has no second effect.",
            json_schema_extra={
                "pattern": rf"^({_VISIBLE}|\"{_VISIBLE}\")$",
                "maxLength": 257,  # 255 characters and two quotes
            },
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
    request.scope[ATTEMPT] = Attempt(request, once, state.ring)
    try:
        await once.claim()
    except IdempotencyKeyInUse:
        idempotency.labels("in_use").inc()
        raise


Idempotent = Annotated[None, Depends(claim_key)]
ATTEMPT = "app.idempotency"
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def once_only(answer: Handler, *, streamed: bool) -> Handler:
    """Store the answer to a request that claimed a key, or repeat the stored answer.

    Both happen inside the transaction of the request, because this transaction ends
    after the handler has returned.
    """

    async def answer_once(request: Request) -> Response:
        if streamed:
            request = StreamedRequest(request.scope, request.receive)
        try:
            response = await respond(request, answer)
            if ATTEMPT in request.scope:
                await request.scope[ATTEMPT].store(response)
            return response
        except AlreadyAnswered as repeated:
            attempted: Attempt = request.scope[ATTEMPT]
            return await attempted.replay(repeated.answer)

    return answer_once


async def respond(request: Request, answer: Handler) -> Response:
    """Answer a request. If it has a key, return the refusals that the service stores.

    These are the refusals with a status in `STORED_REFUSALS`. The service stores them
    like other answers. All other refusals are raised.
    """
    try:
        return await answer(request)
    except (AppError, RequestValidationError) as error:
        attempted: Attempt | None = request.scope.get(ATTEMPT)
        if attempted is None:
            raise
        refusal = (
            error if isinstance(error, AppError) else invalid_request(request, error)
        )
        if refusal.status not in STORED_REFUSALS:
            raise
        await attempted.once.session.rollback()
        await attempted.once.claim()  # the rollback released the key
        return refusal_response(refusal)
