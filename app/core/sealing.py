"""Encrypts the secrets that the service must read again, such as those of TOTP."""

import os

from app.core.security import Info, SecretRing

_NONCE_SIZE = 12


class Unreadable(Exception):
    """No secret of the ring decrypts the value with this `info` and this `owner`."""


def seal(ring: SecretRing, info: Info, secret: bytes, owner: bytes) -> bytes:
    """Encrypt with AES-256-GCM. `unseal` needs the same `info` and `owner`."""
    # Imported here, because most requests need no cipher.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE_SIZE)
    sealed = AESGCM(ring.derive(info)).encrypt(nonce, secret, owner)
    return bytes([ring.key_id]) + nonce + sealed


def unseal(ring: SecretRing, info: Info, sealed: bytes, owner: bytes) -> bytes:
    """Decrypt with the current or the previous secret; raises `Unreadable`."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key_id, rest = sealed[0], sealed[1:]
    for key in ring.candidates(info, key_id):
        try:
            return AESGCM(key).decrypt(rest[:_NONCE_SIZE], rest[_NONCE_SIZE:], owner)
        except InvalidTag:
            continue
    raise Unreadable


def is_current(ring: SecretRing, info: Info, sealed: bytes) -> bool:
    """Whether the current secret has certainly sealed the value.

    If not, the caller should seal the value again.
    """
    return ring.candidates(info, sealed[0]) == [ring.derive(info)]
