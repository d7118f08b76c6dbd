"""Keys derived from `SECRET_KEY`, one for each purpose."""

import hmac
from collections.abc import Sequence
from typing import Literal

Info = Literal[
    "access-token-v1",
    "cursor-v1",
    "device-token-v1",
    "log-pseudonym-v1",
    "refresh-token-v1",
    "request-fingerprint-v1",
    "totp-kek-v1",  # totp
]


class SecretRing:
    """Derives a key for each purpose from the current and the previous secret.

    A token carries the `key_id` of its secret. Tokens signed with the previous secret
    therefore stay valid while the operator replaces it.
    """

    def __init__(self, current: bytes, previous: bytes | None = None) -> None:
        self._secrets = (current,) if previous is None else (current, previous)
        if not all(self._secrets):
            raise ValueError("A secret must not be empty.")
        self._key_ids = [_hkdf(secret, "key-id-v1", 1)[0] for secret in self._secrets]
        self._derived: dict[Info, tuple[bytes, ...]] = {}

    @property
    def key_id(self) -> int:
        """One byte that names the current secret and reveals nothing about it."""
        return self._key_ids[0]

    def derive(self, info: Info) -> bytes:
        """The 32-byte key of the current secret."""
        return self.derive_all(info)[0]

    def derive_all(self, info: Info) -> Sequence[bytes]:
        """The keys of all secrets, the current one first."""
        if info not in self._derived:
            keys = tuple(_hkdf(secret, info, 32) for secret in self._secrets)
            self._derived[info] = keys
        return self._derived[info]

    def candidates(self, info: Info, key_id: int) -> Sequence[bytes]:
        """The keys that can have signed a token with this `key_id`."""
        # A list, because one pair of secrets in 256 has the same key id.
        pairs = zip(self._key_ids, self.derive_all(info), strict=True)
        return [key for candidate_id, key in pairs if candidate_id == key_id]


def _hkdf(secret: bytes, info: str, length: int) -> bytes:
    """Derive at most 32 bytes by HKDF-SHA256 without a salt (RFC 5869)."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, info.encode() + b"\x01", "sha256")[:length]
