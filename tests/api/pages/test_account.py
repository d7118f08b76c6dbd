"""The pages behind the links in mails."""

import re

import pytest

from app.services.accounts.one_time_links import PAGES
from tests.support.people import Client


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
class TestAccountPages:
    @pytest.mark.parametrize("page", PAGES.values())
    async def test_send_the_token_to_an_existing_endpoint(
        self, client: Client, page: str
    ) -> None:
        response = await client.get(f"http://test/account/{page}")

        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/html")
        policy = response.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "unsafe-inline" not in policy
        assert ("At least 12 characters." in response.text) == ("reset" in page)
        assert "<noscript>" in response.text
        endpoint = re.search(r'data-endpoint="([^"]+)"', response.text)
        assert endpoint is not None
        body = {"token": "app_vt_x", "password": "a quiet orange typewriter"}
        if 'name="password"' not in response.text:
            del body["password"]
        answer = await client.post(f"http://test{endpoint[1]}", json=body)
        assert answer.json()["code"] == "token_invalid"

    async def test_run_a_script_from_a_file(self, client: Client) -> None:
        response = await client.get("http://test/account/page.js")

        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/javascript")
        assert "location.hash" in response.text
