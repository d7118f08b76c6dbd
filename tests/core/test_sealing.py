"""Encrypting secrets that the service must read again."""

from itertools import count

import pytest

from app.core.sealing import Unreadable, is_current, seal, unseal
from app.core.security import Info, SecretRing

OLD, NEW = b"old" * 16, b"new" * 16
KEY: Info = "totp-kek-v1"


def test_both_secrets_of_the_ring_open_a_seal() -> None:
    """Mutant: try only the key of the current secret."""
    sealed = seal(SecretRing(OLD), KEY, b"secret", b"ada")
    ring = SecretRing(NEW, OLD)

    assert unseal(ring, KEY, sealed, b"ada") == b"secret"
    assert not is_current(ring, KEY, sealed)
    assert is_current(ring, KEY, seal(ring, KEY, b"secret", b"ada"))


def test_a_seal_is_old_if_both_secrets_have_its_key_id() -> None:
    """One of 256 new secrets has the key id of the old secret.

    If the old seals counted as current, no command would encrypt them again. They would
    be lost with the old secret.

    Mutant: compare only the key id with that of the current secret.
    """
    new = next(
        secret
        for secret in (b"new %d" % number for number in count())
        if SecretRing(secret).key_id == SecretRing(OLD).key_id
    )
    ring, sealed = SecretRing(new, OLD), seal(SecretRing(OLD), KEY, b"secret", b"ada")

    assert unseal(ring, KEY, sealed, b"ada") == b"secret"
    assert not is_current(ring, KEY, sealed)


@pytest.mark.parametrize(
    ("ring", "owner"),
    [(SecretRing(NEW), b"ada"), (SecretRing(OLD), b"bob")],
    ids=["another key", "another owner"],
)
def test_another_key_or_owner_opens_no_seal(ring: SecretRing, owner: bytes) -> None:
    """Mutant: encrypt without the owner, so that a row can be moved to another user."""
    sealed = seal(SecretRing(OLD), KEY, b"secret", b"ada")

    with pytest.raises(Unreadable):
        unseal(ring, KEY, sealed, owner)


def test_two_seals_of_a_secret_differ() -> None:
    ring = SecretRing(NEW)

    assert seal(ring, KEY, b"secret", b"") != seal(ring, KEY, b"secret", b"")
