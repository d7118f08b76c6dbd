"""A provider, and a service whose pages a browser can open."""

import json
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from testbed.serving import Later, serving
from tests.api.external_identities.browser import ADA, PROVIDER
from tests.api.external_identities.provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    Provider,
    serve_provider,
)

later = Later()


@pytest.fixture
async def site() -> AsyncGenerator[str]:
    async with serving(later) as port:
        yield f"http://localhost:{port}"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with serve_provider() as provider:
        provider.visitor = {**ADA}
        yield provider


@pytest.fixture
def overrides(site: str, provider: Provider) -> dict[str, Any]:
    credentials = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    entry = {"name": PROVIDER, "issuer": provider.issuer, "trusts_email": True}
    providers = json.dumps([{**entry, **credentials}])
    return {"public_base_url": site, "oidc_providers": providers}


@pytest.fixture
async def page(app: FastAPI, site: str) -> AsyncGenerator[str]:
    later.app = app
    yield f"{site}/account/sign-in/{PROVIDER}"
    await later.leave()
