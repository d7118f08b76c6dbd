from datetime import timedelta
from uuid import uuid4

import pytest

from app.core.security import SecretRing
from app.core.tokens import device
from app.core.tokens.device import DeviceTokens

ANN, BEN = uuid4(), uuid4()
OLD, NEW = b"old" * 16, b"new" * 16


def test_a_token_names_the_same_device_each_time() -> None:
    tokens = DeviceTokens(SecretRing(NEW))

    first = tokens.find_device(tokens.issue(ANN), ANN)

    assert first is not None
    assert tokens.find_device(tokens.issue(ANN, first), ANN) == first
    assert tokens.find_device(tokens.issue(ANN), ANN) != first


def test_a_token_is_worthless_for_another_user_or_secret() -> None:
    token = DeviceTokens(SecretRing(OLD)).issue(ANN)

    assert DeviceTokens(SecretRing(OLD)).find_device(token, BEN) is None
    assert DeviceTokens(SecretRing(NEW)).find_device(token, ANN) is None
    assert DeviceTokens(SecretRing(NEW, OLD)).find_device(token, ANN) is not None


def test_a_changed_token_is_refused() -> None:
    tokens = DeviceTokens(SecretRing(NEW))
    token = tokens.issue(ANN)

    for at in range(len(token)):
        other = "a" if token[at] != "a" else "b"
        altered = token[:at] + other + token[at + 1 :]
        assert tokens.find_device(altered, ANN) is None
    for nonsense in ("", token[:-1], token + "0", "app_dt_" + "z" * 52, "\ud800"):
        assert tokens.find_device(nonsense, ANN) is None


def test_a_token_expires_after_a_year(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = DeviceTokens(SecretRing(NEW))
    token = tokens.issue(ANN)

    monkeypatch.setattr(device, "LIFETIME", timedelta(seconds=-1))

    assert tokens.find_device(token, ANN) is None
