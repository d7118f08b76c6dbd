"""The page at `/`, the list of errors, and the files that all pages share."""

import re
from typing import Any
from urllib.parse import urljoin

import pytest

from app.services.accounts.one_time_links import PAGES
from reference.errors import errors
from tests.support.people import Client

SERVED = [
    "/",
    "/account",  # own_account
    "/errors",
    *(f"/account/{page}" for page in PAGES.values()),
]
PRODUCTION: dict[str, Any] = {
    "environment": "production",
    "secret_key": "q8Zr1xV6mN3kT0sB7yH4wL9cJ2fD5gPa",
    "allowed_hosts": "test",
    "public_base_url": "https://test",
    "registration": "verified",
    "smtp_url": "smtps://mail.example.com",
    "mail_from": "no-reply@example.com",
}


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
class TestPages:
    @pytest.mark.parametrize("overrides", [{}, PRODUCTION], ids=["dev", "production"])
    @pytest.mark.parametrize("path", SERVED)
    async def test_link_only_to_pages_and_files_that_exist(
        self, client: Client, path: str, overrides: dict[str, Any]
    ) -> None:
        """Mutants: link to the documentation in production; misspell the stylesheet."""
        page = await client.get(f"http://test{path}")

        assert page.status_code == 200
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        targets = re.findall(r'(?:href|src)="([^"]+)"', page.text)
        assert {"style.css", "favicon.svg"} <= {each.strip("./") for each in targets}
        for target in targets:
            answer = await client.get(urljoin(f"http://test{path}", target))
            assert answer.status_code == 200, target
        if path == "/":
            assert ("docs" in targets) == (not overrides)

    async def test_without_tokens_need_no_script(self, client: Client) -> None:
        for path in ("/", "/errors"):
            page = await client.get(f"http://test{path}")
            assert "script" not in page.text + page.headers["content-security-policy"]

    @pytest.mark.parametrize("overrides", [{"app_name": "Cut & <Paste>"}])
    async def test_show_the_name_the_version_and_the_environment(
        self, client: Client
    ) -> None:
        page = await client.get("http://test/")

        assert "<h1>Cut &amp; &lt;Paste&gt;</h1>" in page.text
        assert re.search(r"Version \d+\.\d+\.\d+, development", page.text)

    async def test_list_every_error_code(self, client: Client) -> None:
        """Mutant: define an error in a module that the application does not import."""
        page = await client.get("http://test/errors")

        listed = re.findall(r'<dt id="(\w+)">', page.text)
        assert sorted(listed) == sorted(error.code for error in errors())

    async def test_explain_the_type_of_a_problem(self, client: Client) -> None:
        problem = (await client.get("/nowhere")).json()
        path, _, anchor = problem["type"].partition("#")
        page = await client.get(f"http://test{path}")
        assert f'<dt id="{anchor}">' in page.text
