"""Keys derived from `SECRET_KEY`, one for each purpose."""

from collections.abc import Sequence
from typing import Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

Info = Literal[
    "access-token-v1",
    "cursor-v1",
    "device-token-v1",
    "log-pseudonym-v1",
    "refresh-token-v1",
    "request-fingerprint-v1",
]


class SecretRing:
    """Independent keys for every purpose, from the current and the previous secret.

    An artefact carries the `key_id` of its secret, so that replacing the secret
    keeps the ones already handed out valid.
    """

    def __init__(self, current: bytes, previous: bytes | None = None) -> None:
        self._secrets = (current,) if previous is None else (current, previous)
        if not all(self._secrets):
            raise ValueError("A secret must not be empty.")
        self._key_ids = [_hkdf(secret, "key-id-v1", 1)[0] for secret in self._secrets]
        self._derived: dict[Info, tuple[bytes, ...]] = {}

    @property
    def key_id(self) -> int:
        """Names the current secret in one byte, and says nothing about it."""
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
        """The keys that may have made an artefact with this `key_id`."""
        # A list, as one pair of secrets in 256 shares its byte.
        pairs = zip(self._key_ids, self.derive_all(info), strict=True)
        return [key for candidate_id, key in pairs if candidate_id == key_id]


def _hkdf(secret: bytes, info: str, length: int) -> bytes:
    return HKDF(SHA256(), length, salt=None, info=info.encode()).derive(secret)
