"""Sign-in with a certified provider: oidc-provider, in a process of its own.

The tests need Node.js and the packages of this command, which the lock files of Python
cannot name:

    npm ci --prefix tests/api/external_identities/oidc_provider
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import pytest
from httpx2 import AsyncClient

from tests.api.external_identities.browser import (
    PROVIDER,
    authorize,
    begin,
    finish,
)
from tests.api.external_identities.provider import CLIENT_ID, CLIENT_SECRET
from tests.support.people import Client

HERE = Path(__file__).parent / "oidc_provider"
REDIRECT_URI = f"http://test/account/sign-in/{PROVIDER}"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(
    NODE is None or not (HERE / "node_modules/oidc-provider").exists(),
    reason=f"needs Node.js and `npm ci --prefix {HERE.name}`",
)


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    line = [str(NODE), str(HERE / "server.mjs"), REDIRECT_URI, CLIENT_ID, CLIENT_SECRET]
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(line, stdin=pipe, stdout=pipe, stderr=nowhere) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.stdin.close()  # the server ends with its standard input


@pytest.fixture
def entries(issuer: str) -> list[dict[str, Any]]:
    credentials = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    return [{"name": PROVIDER, "issuer": issuer, "trusts_email": True, **credentials}]


async def log_in(authorization_url: str, login: str) -> dict[str, str]:
    """Fill in the forms of the provider, like a browser, until it redirects back."""
    async with AsyncClient() as browser:
        url, answer = authorization_url, await browser.get(authorization_url)
        while not url.startswith(REDIRECT_URI):
            if "location" in answer.headers:
                url = urljoin(url, answer.headers["location"])
                if url.startswith(REDIRECT_URI):
                    break
                answer = await browser.get(url)
                continue
            found = re.search(r'name="prompt" value="(\w+)"', answer.text)
            assert found, answer.text
            form = {"prompt": found[1], "login": login, "password": "any"}
            answer = await browser.post(url, data=form)
        return dict(parse_qsl(urlsplit(url).query))


async def consented(client: Client, login: str = "ada") -> dict[str, str]:
    started = await begin(client)
    returned = await log_in(started["authorization_url"], login)
    return {"transaction": started["transaction"], **returned}


async def test_signs_in_and_refuses_the_code_a_second_time(
    client: Client, issuer: str
) -> None:
    """The whole protocol, with the implementation of other authors."""
    for _ in range(2):  # a new account, and the same account again
        body = await consented(client)
        assert body["iss"] == issuer
        answer = await finish(client, body)
        me = (await authorize(client, answer).get("/users/me")).json()
        assert me["email"] == "ada@example.org"
        assert me["full_name"] == "ada of the real provider"

    used, mine = [await consented(client) for _ in range(2)]
    assert (await finish(client, used)).status_code == 200
    refused = await finish(client, {**mine, "code": used["code"]})
    assert refused.json()["code"] == "provider_answer_invalid"


async def test_does_not_trust_an_address_that_is_not_verified(
    client: Client,
) -> None:
    answer = await finish(client, await consented(client, "mallory"))

    assert answer.json()["code"] == "identity_unknown"
