"""Requests that every reader understands alike: JSON bodies (RFC 8259), queries."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterator
from http import HTTPStatus
from typing import Any

from fastapi import params
from fastapi._compat import field_annotation_is_sequence
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from app.api.dependencies import find_caller
from app.api.limits import LEFT, count, limits_of
from app.api.problems import json_pointer
from app.core.errors import AppError, BadRequest, InvalidRequest

MAX_DEPTH = 32
LARGEST_EXACT = 2**53

_CONTENT_TYPE = re.compile(
    r'application/json[ \t]*(?:;[ \t]*charset=(?:utf-8|"utf-8")[ \t]*)?',
    re.ASCII | re.IGNORECASE,
)
# An unterminated string runs to the end, so that hostile quotes cost one pass.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ESCAPED_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


class BodyMalformed(BadRequest):
    """The request body is not JSON as this service accepts it."""

    code = "body_malformed"


class UnsupportedMediaType(AppError):
    """The request body is not `application/json` in UTF-8."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "unsupported_media_type"


class StrictJSONRoute(APIRoute):
    """Counts a request, then reads it strictly: JSON, and queries that say it once.

    A form is read as ever.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        if options.get("status_code") == HTTPStatus.NO_CONTENT:
            options["response_class"] = Response  # which names no type of no content
        super().__init__(*args, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        limits = limits_of(self.methods or (), self.dependencies)
        waits = any(limit.needs_caller for limit in limits) and _finds_caller(
            self.dependant
        )
        field = self.body_field
        has_json = field is not None and not isinstance(field.field_info, params.Form)
        repeatable = frozenset(
            parameter.alias
            for parameter in get_flat_params(self.dependant)
            if field_annotation_is_sequence(parameter.field_info.annotation)
        )

        async def handle_strictly(request: Request) -> Response:
            if not waits:
                await count(limits, request, None)
            try:
                if request.scope["query_string"]:
                    refuse_repeated(request.query_params, repeatable)
                if has_json:
                    request = StrictJSONRequest(request.scope, request.receive)
                    # Here, since FastAPI turns what fails in its reading into a 400.
                    await request.json()
            except AppError:
                if waits:
                    await count(limits, request, None)
                raise
            if waits:
                request.scope[LEFT] = limits
            return await handle(request)

        return handle_strictly


def _finds_caller(dependant: Dependant) -> bool:
    return dependant.call is find_caller or any(
        map(_finds_caller, dependant.dependencies)
    )


def refuse_repeated(query: QueryParams, repeatable: Collection[str]) -> None:
    """Leave nobody to wonder which of two values counts."""
    given = Counter(name for name, _ in query.multi_items())
    faults = [
        {
            "pointer": f"query/{name}",
            "code": "repeated",
            "message": "The parameter may be there only once.",
        }
        for name, times in given.items()
        if times > 1 and name not in repeatable
    ]
    if faults:
        raise InvalidRequest("The request does not match the schema.", faults)


class StrictJSONRequest(Request):
    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            body = await self.body()
            if not body:
                return None  # FastAPI says what is missing
            if not _CONTENT_TYPE.fullmatch(self.headers.get("content-type", "")):
                raise UnsupportedMediaType(
                    "The request body must be application/json in UTF-8.",
                    {"Accept": "application/json"},  # RFC 9110 §12.5.1
                )
            self._json = parse(body)
        return self._json


def parse(body: bytes) -> Any:
    """Read `body` as JSON.

    Raises:
        BodyMalformed: it is not JSON, or JSON that readers understand differently.
        InvalidRequest: it holds text that cannot be stored.
    """
    if _is_too_deep(body):
        raise BodyMalformed(f"The body is not JSON at most {MAX_DEPTH} levels deep.")
    try:
        value = _DECODER.decode(body.decode())
    except ValueError:  # UnicodeDecodeError, and int() of 5000 digits, are too
        # Without its cause, which carries the body.
        raise BodyMalformed("The body is not valid JSON in UTF-8.") from None
    # Raw control characters and surrogates cannot have got as far as here.
    if _ESCAPED_SUSPECT.search(body) and (fault := next(_unstorable_text(value), None)):
        raise InvalidRequest("The body holds text that cannot be stored.", [fault])
    return value


def _is_too_deep(body: bytes) -> bool:
    """Measure before parsing: how deep the parser may go depends on its caller."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    brackets = _STRING.sub(b"", body).translate(_BRACKETS, _NOT_BRACKETS)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _unstorable_text(value: Any, *path: str | int) -> Iterator[dict[str, str]]:
    if isinstance(value, str):
        if code := _unstorable(value):
            yield _fault(code, path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unstorable_text(item, *path, index)
    elif isinstance(value, dict):
        for key, item in value.items():
            if code := _unstorable(key):
                yield _fault(code, path)  # its object: the key cannot be written
            else:
                yield from _unstorable_text(item, *path, key)


def _unstorable(text: str) -> str | None:
    if "\0" in text:
        return "nul_character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "lone_surrogate"
    return None


def _fault(code: str, path: tuple[str | int, ...]) -> dict[str, str]:
    return {
        "pointer": json_pointer(*path),
        "code": code,
        "message": "Text may hold neither NUL nor unpaired surrogates.",
    }


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is out of range")
    # JSON has one kind of number: 2.0 is the integer 2 (RFC 8259 §6, JSON Schema).
    exact = number.is_integer() and abs(number) <= LARGEST_EXACT
    return int(number) if exact else number


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_members,
    parse_float=_finite,
    parse_constant=_no_constant,
)
