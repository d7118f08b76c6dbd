"""One-time tokens for mailed links. The database stores only their digest."""

import hashlib
import secrets

from app.core.tokens.base62 import encode_base62

PREFIX = "app_vt_"


def generate() -> str:
    """Return a new token of 256 random bits in 50 characters."""
    return PREFIX + encode_base62(secrets.token_bytes(32))


def digest(token: str) -> bytes:
    """Return the digest that the database stores. 256 random bits need no salt."""
    # A request can carry unpaired surrogates, which strict UTF-8 refuses to encode.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
