"""Secrets mailed to a user to prove an address; only their digest is stored."""

import hashlib
import secrets

from app.core.tokens.base62 import encode_base62

PREFIX = "app_vt_"


def generate() -> str:
    """256 random bits as 50 characters that a double click selects whole."""
    return PREFIX + encode_base62(secrets.token_bytes(32))


def digest(token: str) -> bytes:
    """What the database stores; with 256 random bits no salt is needed."""
    # A request may carry lone surrogates, which have no strict UTF-8 form.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
