"""HEAD, OPTIONS, and methods that a resource does not support."""

import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from tests.support.people import Client, open_client


@pytest.fixture
def backend() -> str:
    return "sqlite"  # no test here depends on the database


class TestMethodNotAllowed:
    """Mutant: write only the methods of the first route into `Allow`."""

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("PUT", "/notes", "GET, HEAD, OPTIONS, POST"),
            ("PUT", "/notes/x", "DELETE, GET, HEAD, OPTIONS, PATCH"),
            ("PATCH", "/notes/export", "GET, HEAD, OPTIONS"),
            ("HEAD", "/notes/upload", "OPTIONS, POST"),
            ("PUT", "/users/me", "DELETE, GET, HEAD, OPTIONS, PATCH"),
            ("GET", "/auth/login", "OPTIONS, POST"),
            ("HEAD", "/auth/login", "OPTIONS, POST"),
            ("TRACE", "/notes", "GET, HEAD, OPTIONS, POST"),
            ("BREW", "/health/live", "GET, HEAD, OPTIONS"),
            ("POST", "http://test/docs", "GET, HEAD, OPTIONS"),
            ("POST", "http://test/openapi.json", "GET, HEAD, OPTIONS"),
            ("POST", "http://test/docs/assets/swagger-ui.css", "GET, HEAD, OPTIONS"),
            ("CONNECT", "http://test/nowhere", ""),
        ],
    )
    async def test_lists_the_allowed_methods(
        self, client: Client, method: str, path: str, allowed: str
    ) -> None:
        answer = await client.request(method, path)

        assert answer.status_code == 405
        assert answer.headers["allow"] == allowed
        if method != "HEAD":
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == "method_not_allowed"


class TestHead:
    @pytest.mark.parametrize(
        "path",
        ["/health/live", "/notes", "/notes/upload", "http://test/docs", "/nowhere"],
    )
    async def test_is_get_without_content(self, user: Client, path: str) -> None:
        """The length is that of the GET, also if the GET is compressed (RFC 9110 §8.6).

        Mutants: drop the content before it is compressed, which `/docs` would show;
        send a refusal with content, about which gunicorn would log a warning.
        """
        got, head = await user.get(path), await user.head(path)

        assert head.content == b""
        assert head.status_code == got.status_code
        for name in ("content-length", "content-type", "cache-control"):
            assert head.headers[name] == got.headers[name], name

    async def test_is_logged_as_head(self, client: Client) -> None:
        with capture_logs() as logs:
            await client.head("/notes")

        requests = [line for line in logs if line["event"] == "http.request"]
        assert [(line["method"], line["route"]) for line in requests] == [
            ("HEAD", "/api/v1/notes")
        ]


class TestOptions:
    async def test_lists_the_methods(self, client: Client) -> None:
        answer = await client.options("/notes")

        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"

    async def test_answers_404_on_an_unknown_path(self, client: Client) -> None:
        assert (await client.options("/nowhere")).status_code == 404


class TestTrailingSlash:
    @pytest.mark.parametrize(
        "path",
        [
            "/notes/",
            "/auth/login/",
            "/users/me/",
            "/health/live/",
            "http://test/docs/",
            "http://test/account/verify-email/",
            "http://test/.well-known/jwks.json/",
        ],
    )
    async def test_is_not_found_and_not_redirected(
        self, client: Client, path: str
    ) -> None:
        """Mutant: redirect to a URL that contains the `Host` header."""
        for method in ("GET", "POST", "PUT", "OPTIONS", "HEAD"):
            answer = await client.request(method, path)

            assert answer.status_code == 404
            assert "location" not in answer.headers


class TestRootPath:
    """Mutant: compare paths without removing the root path."""

    async def test_does_not_change_the_allowed_methods(self, app: FastAPI) -> None:
        async def rooted(scope: Scope, receive: Receive, send: Send) -> None:
            # `uvicorn --root-path` changes the scope like this.
            below = {"root_path": "/shop", "path": f"/shop{scope['path']}"}
            await app({**scope, **below}, receive, send)

        async with open_client(rooted) as client:
            for method in ("PATCH", "HEAD", "TRACE"):
                answer = await client.request(method, "/notes/upload")
                assert answer.status_code == 405
                assert answer.headers["allow"] == "OPTIONS, POST"
            listed = await client.options("/notes/export")
            assert listed.headers["allow"] == "GET, HEAD, OPTIONS"
            got = await client.get("/notes")
            assert (got.status_code, got.json()["code"]) == (401, "unauthorized")
