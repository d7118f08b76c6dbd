"""Opaque page cursors that only this service can write."""

import base64
import hmac
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, cast

import orjson

from app.core.errors import BadRequest
from app.core.security import SecretRing

JsonScalar = str | int | float | bool | None

# Enough for a name of 200 characters, because JSON writes each in at most 6 bytes.
MAX_LENGTH = 2048
_MAC_SIZE = 16


class CursorInvalid(BadRequest):
    """The cursor belongs to another list, or to another order or other filters."""

    code = "cursor_invalid"
    detail = "The cursor is not valid for this listing. Start again without a cursor."


class CursorSigner:
    """Signs a position. The signature covers the listing, owner, filters and order."""

    def __init__(self, ring: SecretRing) -> None:
        self._ring = ring

    def encode(self, position: Sequence[Any], context: str) -> str:
        """Write a cursor. Times and decimals become text."""
        payload = orjson.dumps([*position], str, orjson.OPT_UTC_Z)
        mac = _mac(self._ring.derive("cursor-v1"), payload, context)
        cursor = _to_text(bytes([self._ring.key_id]) + mac + payload)
        if len(cursor) > MAX_LENGTH:
            raise ValueError("The position is too long for a cursor.")
        return cursor

    def decode(self, cursor: str, context: str) -> list[JsonScalar]:
        """Return the position, or raise `CursorInvalid`."""
        data = _from_text(cursor)
        key_id, mac, payload = data[0], data[1 : 1 + _MAC_SIZE], data[1 + _MAC_SIZE :]
        for key in self._ring.candidates("cursor-v1", key_id):
            if hmac.compare_digest(_mac(key, payload, context), mac):
                return cast(list[JsonScalar], orjson.loads(payload))
        raise CursorInvalid


@lru_cache(maxsize=1024)
def _hash(context: str) -> bytes:
    return blake2b(context.encode()).digest()


def _mac(key: bytes, payload: bytes, context: str) -> bytes:
    data = _hash(context) + payload
    return blake2b(data, key=key, digest_size=_MAC_SIZE).digest()


def _to_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _from_text(cursor: str) -> bytes:
    if not 0 < len(cursor) <= MAX_LENGTH:
        raise CursorInvalid
    try:
        data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        raise CursorInvalid from None
    # The decoder skips unknown characters and ignores unused bits in the last one.
    if _to_text(data) != cursor:
        raise CursorInvalid
    return data
