"""The sign-in page of each provider."""

import re

import pytest

from tests.api.external_identities.browser import PROVIDER
from tests.support.people import Client


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
class TestSignInPage:
    async def test_posts_to_an_existing_endpoint_by_a_script_from_a_file(
        self, client: Client
    ) -> None:
        """Mutants: serve the page at a wrong path; put the script into the page."""
        started = (await client.post(f"/auth/providers/{PROVIDER}/start")).json()
        assert f"%2Faccount%2Fsign-in%2F{PROVIDER}&" in started["authorization_url"]

        page = await client.get(
            f"http://test/account/sign-in/{PROVIDER}?code=a&state=b"
        )

        assert page.status_code == 200
        assert "Continue with Acme" in page.text
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["cache-control"] == "no-store"
        policy = page.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "unsafe-inline" not in policy
        [(api, name)] = re.findall(r'data-api="(.+?)" data-provider="(.+?)"', page.text)
        answer = await client.post(f"http://test{api}/providers/{name}/start")
        assert answer.status_code == 200
        script = await client.get("http://test/account/sign-in/page.js")
        assert script.headers["content-type"].startswith("text/javascript")
        for path in re.findall(r'(?:href|src)="([^"]+)"', page.text):
            url = f"http://test/account/sign-in/{path}"
            assert (await client.get(url)).status_code == 200, path
