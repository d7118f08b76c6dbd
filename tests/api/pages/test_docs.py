"""The page that shows the OpenAPI document."""

import re

import pytest

from tests.support.people import Client


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
class TestDocs:
    @pytest.mark.parametrize("overrides", [{"app_name": "Cut & <Paste>"}])
    async def test_escapes_the_name_of_the_application(self, client: Client) -> None:
        """Mutant: render templates without automatic escaping."""
        response = await client.get("http://test/docs")

        assert response.status_code == 200
        assert "<title>Cut &amp; &lt;Paste&gt;</title>" in response.text

    async def test_lets_browsers_cache_assets_until_their_content_changes(
        self, client: Client
    ) -> None:
        """Mutants: use URLs without a hash; make files without a hash immutable."""
        page = (await client.get("http://test/docs")).text
        urls = re.findall(r'"(/docs/assets/[^"]+)"', page)
        kept = [await client.get(f"http://test{url}") for url in urls]
        plain = await client.get(f"http://test{urls[0].partition('?')[0]}")

        assert [each.status_code for each in kept] == [200, 200]
        assert all("immutable" in each.headers["cache-control"] for each in kept)
        assert "immutable" not in plain.headers.get("cache-control", "")

    async def test_starts_with_a_script_from_a_file(self, client: Client) -> None:
        response = await client.get("http://test/docs/start.js")

        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/javascript")
        assert 'url: "/openapi.json"' in response.text
        schemes = (await client.get("http://test/openapi.json")).json()["components"]
        [scheme] = schemes["securitySchemes"]
        assert f'preauthorizeApiKey("{scheme}"' in response.text
