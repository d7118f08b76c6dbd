"""Traces and error reports need a valid URL and their packages."""

import sys

import pytest
from pydantic import ValidationError

from tests.conftest import make_settings
from tests.core.settings.test_safety import refusals

DSN = "https://key@sentry.example.com/1"
ENDPOINT = "https://collector.example.com"


@pytest.mark.parametrize("url", ["collector:4318", "grpc://collector", "http://"])
def test_an_endpoint_is_a_url(url: str) -> None:
    with pytest.raises(ValidationError, match="must be a URL"):
        make_settings(telemetry_endpoint=url)


@pytest.mark.parametrize("url", ["{trace_id}", "https://traces.example.com/trace/"])
def test_a_trace_url_is_a_url_that_contains_the_trace_id(url: str) -> None:
    with pytest.raises(ValidationError, match="must be a URL"):
        make_settings(trace_url=url)


@pytest.mark.parametrize("dsn", ["key", "https://sentry.example.com/1"])
def test_a_dsn_has_a_key(dsn: str) -> None:
    with pytest.raises(ValidationError, match="must be a DSN"):
        make_settings(sentry_dsn=dsn)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: do not look for the package, so that the start fails with a traceback."""
    make_settings(telemetry_endpoint=ENDPOINT, sentry_dsn=DSN)
    for module in ("opentelemetry.sdk", "sentry_sdk"):
        monkeypatch.setitem(sys.modules, module, None)

    problems = refusals(telemetry_endpoint=ENDPOINT, sentry_dsn=DSN)

    assert problems.keys() == {"telemetry_endpoint", "sentry_dsn"}
    for problem in problems.values():
        assert "pip install --require-hashes -r requirements/extras.txt" in problem
