"""The URL of the service that knows the passwords of data breaches."""

import pytest

from tests.conftest import make_settings
from tests.core.settings.test_safety import DEPLOYED, refusals

NAME = "breached_passwords_url"


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_needs_tls_outside_development(environment: str) -> None:
    """Mutant: send the digits of a hash over plain HTTP."""
    values = {**DEPLOYED, "environment": environment}

    assert [*refusals(**values, **{NAME: "http://ranges.example.com"})] == [NAME]
    make_settings(**values, **{NAME: "https://ranges.example.com/range"})
