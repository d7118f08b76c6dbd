from datetime import timedelta
from uuid import uuid4

import pytest

from app.core.security import SecretRing
from app.core.tokens import device
from app.core.tokens.device import DeviceTokens

ANN, BEN = uuid4(), uuid4()
HASH = "$argon2id$v=19$one"
OLD, NEW = b"old" * 16, b"new" * 16


def test_a_token_names_the_same_device_each_time() -> None:
    tokens = DeviceTokens(SecretRing(NEW))

    first = tokens.find_device(tokens.issue(ANN, HASH), ANN, HASH)

    assert first is not None
    assert tokens.find_device(tokens.issue(ANN, HASH, first), ANN, HASH) == first
    assert tokens.find_device(tokens.issue(ANN, HASH), ANN, HASH) != first


def test_a_token_is_worthless_for_another_user_or_secret() -> None:
    token = DeviceTokens(SecretRing(OLD)).issue(ANN, HASH)

    assert DeviceTokens(SecretRing(OLD)).find_device(token, BEN, HASH) is None
    assert DeviceTokens(SecretRing(NEW)).find_device(token, ANN, HASH) is None
    assert DeviceTokens(SecretRing(NEW, OLD)).find_device(token, ANN, HASH) is not None


def test_a_token_ends_with_the_password() -> None:
    """Mutant: keep old tokens valid, so that each of them allows more guesses."""
    tokens = DeviceTokens(SecretRing(NEW))

    assert tokens.find_device(tokens.issue(ANN, HASH), ANN, "$argon2id$other") is None


def test_a_changed_token_is_refused() -> None:
    tokens = DeviceTokens(SecretRing(NEW))
    token = tokens.issue(ANN, HASH)

    for at in range(len(token)):
        other = "a" if token[at] != "a" else "b"
        altered = token[:at] + other + token[at + 1 :]
        assert tokens.find_device(altered, ANN, HASH) is None
    for nonsense in ("", token[:-1], token + "0", "app_dt_" + "z" * 52, "\ud800"):
        assert tokens.find_device(nonsense, ANN, HASH) is None


def test_a_token_expires_after_a_year(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = DeviceTokens(SecretRing(NEW))
    token = tokens.issue(ANN, HASH)

    monkeypatch.setattr(device, "LIFETIME", timedelta(seconds=-1))

    assert tokens.find_device(token, ANN, HASH) is None
