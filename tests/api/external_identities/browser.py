"""The steps of a browser that signs in with a provider."""

from typing import Any

from httpx2 import Response

from tests.api.external_identities.provider import Provider
from tests.support.people import Client

PROVIDER = "acme"
ADA = {"sub": "ada-1", "email": "ada@example.org", "email_verified": True}


async def begin(client: Client, kind: str = "providers") -> dict[str, Any]:
    started = await client.post(f"/auth/{kind}/{PROVIDER}/start")
    assert started.status_code == 200, started.text
    body: dict[str, Any] = started.json()
    return body


async def consented(
    client: Client, provider: Provider, kind: str = "providers", **person: Any
) -> dict[str, Any]:
    """Begin a sign-in and log in at the provider; return the body that finishes it."""
    started = await begin(client, kind)
    answer = provider.consent(started["authorization_url"], **{**ADA, **person})
    return {"transaction": started["transaction"], **answer}


async def finish(
    client: Client, body: dict[str, Any], kind: str = "providers", name: str = PROVIDER
) -> Response:
    return await client.post(f"/auth/{kind}/{name}/finish", json=body)


async def sign_in(client: Client, provider: Provider, **person: Any) -> Response:
    return await finish(client, await consented(client, provider, **person))


async def link(client: Client, provider: Provider, **person: Any) -> Response:
    body = await consented(client, provider, "identities", **person)
    return await finish(client, body, "identities")


def authorize(client: Client, answer: Response) -> Client:
    assert answer.status_code == 200, answer.text
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return client
