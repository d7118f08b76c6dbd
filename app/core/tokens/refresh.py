"""Refresh tokens: a signed session id and generation. The database has no copy."""

import hmac
import re
import struct
from dataclasses import dataclass, field
from uuid import UUID

from app.core.errors import Unauthorized
from app.core.security import SecretRing
from app.core.tokens.base62 import (
    base62_length,
    checksum,
    decode_base62,
    encode_base62,
)

PREFIX = "app_rt_"

_VERSION = 1
_SIGNED = struct.Struct(">BB16sI")  # version, key id, session id, generation
_MAC_SIZE = 16
_BODY_SIZE = _SIGNED.size + _MAC_SIZE
_BODY_LENGTH = base62_length(_BODY_SIZE)
_CHECKSUM_LENGTH = base62_length(4)
_SHAPE = re.compile(
    f"({PREFIX}[0-9A-Za-z]{{{_BODY_LENGTH}}})([0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})"
)

LENGTH = len(PREFIX) + _BODY_LENGTH + _CHECKSUM_LENGTH


class RefreshTokenInvalid(Unauthorized):
    """The refresh token is malformed, expired, used or revoked."""

    code = "refresh_token_invalid"
    # One detail for every reason, so that a thief learns nothing from the answer.
    detail = "The refresh token is not valid. Log in again."


@dataclass(frozen=True, slots=True)
class ParsedRefreshToken:
    """The content of a token. Do not trust it before `RefreshTokens.authentic`."""

    session_id: UUID
    generation: int
    key_id: int
    signed: bytes = field(repr=False)
    mac: bytes = field(repr=False)


class RefreshTokens:
    """Writes and checks tokens. The MAC of a token covers the salt of its session.

    To forge a token, an attacker needs both the secret and the salt in the database.
    """

    def __init__(self, ring: SecretRing) -> None:
        self._ring = ring

    def issue(self, session_id: UUID, generation: int, salt: bytes) -> str:
        """Write the token of a generation. The same arguments give the same token."""
        signed = _SIGNED.pack(_VERSION, self._ring.key_id, session_id.bytes, generation)
        mac = _mac(self._ring.derive("refresh-token-v1"), salt, signed)
        text = PREFIX + encode_base62(signed + mac)
        return text + checksum(text)

    def parse(self, token: str) -> ParsedRefreshToken:
        """Read a token without trusting it. Its checksum finds typing errors."""
        match = _SHAPE.fullmatch(token)
        if match is None or checksum(match[1]) != match[2]:
            raise RefreshTokenInvalid
        try:
            body = decode_base62(match[1].removeprefix(PREFIX), _BODY_SIZE)
        except ValueError:
            raise RefreshTokenInvalid from None
        signed, mac = body[: _SIGNED.size], body[_SIGNED.size :]
        version, key_id, session_id, generation = _SIGNED.unpack(signed)
        if version != _VERSION:
            raise RefreshTokenInvalid
        return ParsedRefreshToken(
            UUID(bytes=session_id), generation, key_id, signed, mac
        )

    def authentic(self, parsed: ParsedRefreshToken, salt: bytes) -> bool:
        """Whether this service issued the token. Call this before using its content."""
        keys = self._ring.candidates("refresh-token-v1", parsed.key_id)
        return any(
            hmac.compare_digest(_mac(key, salt, parsed.signed), parsed.mac)
            for key in keys
        )


def _mac(key: bytes, salt: bytes, signed: bytes) -> bytes:
    return hmac.digest(key, b"rt1" + salt + signed, "sha256")[:_MAC_SIZE]
