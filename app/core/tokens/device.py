"""Device tokens. A device sends its token when its owner logs in again.

A device token gives no access. The login attempts of a known device are counted apart
from those of unknown devices, so that an attacker cannot use up the attempts of the
owner (OWASP, device cookies).
"""

import hmac
import re
import secrets
import struct
from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.core.security import SecretRing
from app.core.tokens.base62 import base62_length, decode_base62, encode_base62

PREFIX = "app_dt_"
LIFETIME = timedelta(days=365)

_VERSION = 1
_SIGNED = struct.Struct(">BB16sI")  # version, key id, device id, issued at
_MAC_SIZE = 16
_BODY_SIZE = _SIGNED.size + _MAC_SIZE
_SHAPE = re.compile(f"{PREFIX}([0-9A-Za-z]{{{base62_length(_BODY_SIZE)}}})")


class DeviceTokens:
    """Writes and reads device tokens.

    Each token belongs to one user and to the password that the user had. A new password
    ends the token, because an attacker who knew the old password can have such a token.
    """

    def __init__(self, ring: SecretRing) -> None:
        self._ring = ring

    def issue(
        self, user_id: UUID, password_hash: str, device_id: bytes | None = None
    ) -> str:
        """Write a token for a known device, or for a new one."""
        now = int(datetime.now(UTC).timestamp())
        device_id = device_id or secrets.token_bytes(16)
        signed = _SIGNED.pack(_VERSION, self._ring.key_id, device_id, now)
        key = self._ring.derive("device-token-v1")
        mac = _mac(key, user_id, password_hash, signed)
        return PREFIX + encode_base62(signed + mac)

    def find_device(
        self, token: str, user_id: UUID, password_hash: str
    ) -> bytes | None:
        """Return the device's id.

        None if the token is invalid or expired, or if it belongs to another user or to
        an earlier password.
        """
        match = _SHAPE.fullmatch(token)
        if match is None:
            return None
        try:
            body = decode_base62(match[1], _BODY_SIZE)
        except ValueError:
            return None
        signed, mac = body[: _SIGNED.size], body[_SIGNED.size :]
        version, key_id, device_id, issued_at = _SIGNED.unpack(signed)
        authentic = any(
            hmac.compare_digest(_mac(key, user_id, password_hash, signed), mac)
            for key in self._ring.candidates("device-token-v1", key_id)
        )
        age = datetime.now(UTC) - datetime.fromtimestamp(issued_at, UTC)
        if version != _VERSION or not authentic or age > LIFETIME:
            return None
        return bytes(device_id)


def _mac(key: bytes, user_id: UUID, password_hash: str, signed: bytes) -> bytes:
    text = user_id.bytes + password_hash.encode() + signed
    return hmac.digest(key, text, "sha256")[:_MAC_SIZE]
