"""The domain and the origins of passkeys."""

from typing import Any

import pytest
from pydantic import ValidationError

from tests.conftest import make_settings


class TestDefaults:
    @pytest.mark.parametrize(
        ("url", "domain", "origin"),
        [
            (
                "https://api.example.org/v2",
                "api.example.org",
                "https://api.example.org",
            ),
            ("https://Example.org:443", "example.org", "https://example.org"),
            ("https://example.org:8443", "example.org", "https://example.org:8443"),
            ("http://127.0.0.1:8000", "localhost", "http://localhost:8000"),
            ("http://[::1]:8000", "localhost", "http://localhost:8000"),
        ],
    )
    def test_come_from_the_public_url(self, url: str, domain: str, origin: str) -> None:
        """Mutant: use the URL itself, with a path or a port that no browser sends."""
        settings = make_settings(public_base_url=url)

        assert settings.passkey_rp_id == domain
        assert settings.passkey_origins == (origin,)


class TestDomainAndOrigins:
    @pytest.mark.parametrize(
        "values",
        [
            {"passkey_origins": ["https://example.org/login"]},
            {"passkey_origins": ["example.org"]},
            {"passkey_origins": ["*"]},
            {"passkey_origins": ["https://evil-example.org"]},
            {"passkey_origins": ["https://example.org.evil.test"]},
            {"passkey_rp_id": "other.test"},  # not that of the default origin
            {"passkey_rp_id": "https://example.org"},
            {"passkey_origins": ["http://example.org"], "environment": "staging"},
        ],
        ids=str,
    )
    def test_must_be_a_domain_and_its_origins(self, values: dict[str, Any]) -> None:
        """Mutant: compare the end of the host without a dot."""
        base = {"public_base_url": "https://example.org"}
        strong = {"secret_key": "q8Zr1xV6mN3kT0sB7yH4wL9cJ2fD5gPa"}

        make_settings(**base, **strong, passkey_origins=["https://id.example.org"])
        with pytest.raises(ValidationError, match="passkey_"):
            make_settings(**base, **strong, **values)
