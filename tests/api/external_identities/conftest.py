import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.external_identities.browser import PROVIDER
from tests.api.external_identities.provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    Provider,
    serve_provider,
)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with serve_provider() as provider:
        yield provider


@pytest.fixture
def other() -> Iterator[Provider]:
    with serve_provider() as provider:
        yield provider


@pytest.fixture
def entries(provider: Provider, other: Provider) -> list[dict[str, Any]]:
    """The providers of the settings. A test can change them."""
    credentials = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    trusted = {"trusts_email": True, **credentials}
    return [
        {"name": PROVIDER, "issuer": provider.issuer, **trusted},
        {"name": "other", "issuer": other.issuer, **trusted},
        {"name": "wary", "issuer": other.issuer, **credentials},
    ]


@pytest.fixture
def more() -> dict[str, Any]:
    """Further settings. Parametrize this fixture."""
    return {}


@pytest.fixture
def overrides(entries: list[dict[str, Any]], more: dict[str, Any]) -> dict[str, Any]:
    return {"oidc_providers": json.dumps(entries), **more}
