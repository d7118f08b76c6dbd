"""Encrypting secrets that the service must read again."""

import pytest

from app.core.sealing import Unreadable, is_current, seal, unseal
from app.core.security import Info, SecretRing

OLD, NEW = b"old" * 16, b"new" * 16
KEY: Info = "totp-kek-v1"


def test_both_secrets_of_the_ring_open_it() -> None:
    """Mutant: try only the key of the current secret."""
    sealed = seal(SecretRing(OLD), KEY, b"secret", b"ada")
    ring = SecretRing(NEW, OLD)

    assert unseal(ring, KEY, sealed, b"ada") == b"secret"
    assert not is_current(ring, sealed)
    assert is_current(ring, seal(ring, KEY, b"secret", b"ada"))


@pytest.mark.parametrize(
    ("ring", "owner"),
    [(SecretRing(NEW), b"ada"), (SecretRing(OLD), b"bob")],
    ids=["another key", "another owner"],
)
def test_nothing_else_opens_it(ring: SecretRing, owner: bytes) -> None:
    """Mutant: encrypt without the owner, so that a row can be moved to another user."""
    sealed = seal(SecretRing(OLD), KEY, b"secret", b"ada")

    with pytest.raises(Unreadable):
        unseal(ring, KEY, sealed, owner)


def test_two_seals_of_a_secret_differ() -> None:
    ring = SecretRing(NEW)

    assert seal(ring, KEY, b"secret", b"") != seal(ring, KEY, b"secret", b"")
