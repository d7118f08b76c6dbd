import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.core.security import SecretRing

OLD, NEW = b"old" * 16, b"new" * 16


class TestSecretRing:
    def test_derives_keys_as_in_rfc_5869(self) -> None:
        other = HKDF(SHA256(), 32, salt=None, info=b"cursor-v1")

        assert SecretRing(NEW).derive("cursor-v1") == other.derive(NEW)

    def test_gives_every_purpose_its_own_key(self) -> None:
        ring = SecretRing(NEW)

        assert ring.derive("cursor-v1") != ring.derive("refresh-token-v1")
        assert ring.derive("cursor-v1") == SecretRing(NEW).derive("cursor-v1")

    def test_derives_from_the_current_secret_first(self) -> None:
        ring = SecretRing(NEW, OLD)

        assert ring.derive_all("cursor-v1") == (
            SecretRing(NEW).derive("cursor-v1"),
            SecretRing(OLD).derive("cursor-v1"),
        )
        assert ring.derive("cursor-v1") == SecretRing(NEW).derive("cursor-v1")

    def test_finds_the_previous_key_by_its_id(self) -> None:
        before, after = SecretRing(OLD), SecretRing(NEW, OLD)

        assert after.key_id != before.key_id
        assert after.candidates("cursor-v1", before.key_id) == [
            before.derive("cursor-v1")
        ]
        assert after.candidates("cursor-v1", 255 - before.key_id) == []

    def test_offers_both_keys_when_two_secrets_share_an_id(self) -> None:
        current = SecretRing(NEW)
        twin = next(
            secret
            for secret in (number.to_bytes(32) for number in range(100_000))
            if SecretRing(secret).key_id == current.key_id
        )

        candidates = SecretRing(NEW, twin).candidates("cursor-v1", current.key_id)

        assert candidates == [
            current.derive("cursor-v1"),
            SecretRing(twin).derive("cursor-v1"),
        ]

    @pytest.mark.parametrize("secrets", [(b"", None), (NEW, b"")])
    def test_refuses_an_empty_secret(self, secrets: tuple[bytes, bytes | None]) -> None:
        with pytest.raises(ValueError, match="empty"):
            SecretRing(*secrets)
