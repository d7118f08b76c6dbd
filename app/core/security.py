"""Keys derived from the application's secret, and the text form of random bytes."""

import math
from collections.abc import Sequence
from string import ascii_letters, digits
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

_ALPHABET = digits + ascii_letters
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}


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


def encode_base62(data: bytes) -> str:
    """Letters and digits whose number depends on the size of `data` alone."""
    number = int.from_bytes(data)
    characters = []
    for _ in range(base62_length(len(data))):
        number, value = divmod(number, 62)
        characters.append(_ALPHABET[value])
    return "".join(reversed(characters))


def decode_base62(text: str, size: int) -> bytes:
    """The `size` bytes that `text` encodes; ValueError when it encodes none."""
    number = 0
    try:
        for character in text:
            number = number * 62 + _VALUES[character]
        data = number.to_bytes(size)
    except (KeyError, OverflowError):
        raise ValueError("Not base62 of that size.") from None
    if len(text) != base62_length(size):
        raise ValueError("Not base62 of that size.")
    return data


def base62_length(size: int) -> int:
    """How many characters encode `size` bytes."""
    return math.ceil(size * 8 / math.log2(62))
