"""API keys: random text with a checksum. The database stores only their digest."""

import hashlib
import re
import secrets

from app.core.tokens.base62 import ALPHABET, checksum

PREFIX = "app_pat_"

_RANDOM = 30  # characters: 178 bits
_SHAPE = re.compile(f"({PREFIX}[0-9A-Za-z]{{{_RANDOM}}})([0-9A-Za-z]{{6}})")


def generate() -> str:
    text = PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(_RANDOM))
    return text + checksum(text)


def is_well_formed(key: str) -> bool:
    """Whether the checksum is right. If not, the database need not be asked."""
    match = _SHAPE.fullmatch(key)
    return match is not None and checksum(match[1]) == match[2]


def digest(key: str) -> bytes:
    """Return the digest that the database stores. 178 random bits need no salt."""
    return hashlib.sha256(key.encode()).digest()


def hint(key: str) -> str:
    """Return the beginning and the end of a key, so that its owner recognises it."""
    return f"{key[: len(PREFIX) + 4]}...{key[-4:]}"
