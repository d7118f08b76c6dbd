"""Reads JSON, and refuses text that other readers can understand differently."""

import json
import math
import re
from collections.abc import Container, Iterator
from typing import Any

from app.core.errors import BadRequest, InvalidRequest, json_pointer

MAX_DEPTH = 32
LARGEST_EXACT = 2**53

# If a string has no end, the pattern matches the rest of the body. Therefore even a
# body of many quotes costs only one pass.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ESCAPED_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


class BodyMalformed(BadRequest):
    """The request body is not valid JSON, repeats a member or is nested too deeply."""

    code = "body_malformed"


def parse(body: bytes, known: Container[str] = ()) -> Any:
    """Read `body` as JSON. A pointer to a fault contains only `known` names.

    Raises `BodyMalformed`, or `InvalidRequest` for text that cannot be stored.
    """
    if _is_too_deep(body):
        raise BodyMalformed(
            f"The body must not be nested deeper than {MAX_DEPTH} levels."
        )
    try:
        value = _DECODER.decode(body.decode())
    except ValueError:  # also UnicodeDecodeError, and `int` of 5000 digits
        # Leave out the cause, because it contains the body.
        raise BodyMalformed(
            "The body must be valid JSON in UTF-8, without repeated member names."
        ) from None
    # The decoders have refused raw control characters and surrogates, so only escapes
    # can have produced such characters.
    if _ESCAPED_SUSPECT.search(body):
        for code, path in _unstorable_text(value):
            fault = {
                "pointer": json_pointer(path, known),
                "code": code,
                "message": "The text must not contain NUL or unpaired surrogates.",
            }
            raise InvalidRequest(
                "The body contains text that cannot be stored.", [fault]
            )
    return value


def _is_too_deep(body: bytes) -> bool:
    """Measure before parsing, because the parser's limit depends on the call stack."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    brackets = _STRING.sub(b"", body).translate(_BRACKETS, _NOT_BRACKETS)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _unstorable_text(
    value: Any, *path: str | int
) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    if isinstance(value, str):
        if code := _unstorable(value):
            yield code, path
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unstorable_text(item, *path, index)
    elif isinstance(value, dict):
        for key, item in value.items():
            if code := _unstorable(key):
                # The path ends at the object, because an answer cannot contain the key.
                yield code, path
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


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is repeated")
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
