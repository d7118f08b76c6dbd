"""The security headers of every kind of answer, and CORS."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import Response

from app.core.errors import Overloaded
from tests.support.people import Client, People

ORIGIN = "https://app.example.com"
STRICT = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
)
ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "cross-origin",  # because CORS is on
    "permissions-policy": (
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
    ),
    "content-security-policy": STRICT,
}
NOTE = {"title": "Groceries"}
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type",
}
BAD_PREFLIGHT = {**PREFLIGHT, "Access-Control-Request-Method": "BREW"}

JSON = {"Content-Type": "application/json"}
UNKNOWN = "00000000-0000-7000-8000-000000000000"
ASSETS = "http://test/docs/assets/"

KINDS: dict[str, tuple[int, Callable[[Client], Any]]] = {
    "read": (200, lambda c: c.get("/users/me")),
    "a list": (200, lambda c: c.get("/notes")),
    "head": (200, lambda c: c.head("/notes")),
    "live": (200, lambda c: c.get("/health/live")),
    "ready": (200, lambda c: c.get("/health/ready")),
    "created": (201, lambda c: c.post("/notes", json=NOTE)),
    "no content": (204, lambda c: c.post("/auth/logout", json={"refresh_token": "x"})),
    "options": (204, lambda c: c.options("/notes")),
    "not modified": (304, lambda c: c.get("/users/me", headers={"If-None-Match": "*"})),
    "malformed": (400, lambda c: c.post("/notes", content=b"{", headers=JSON)),
    "unauthorized": (401, lambda c: c.get("/users/me", headers={"Authorization": ""})),
    "nothing there": (404, lambda c: c.get("/nowhere")),
    "no such note": (404, lambda c: c.get(f"/notes/{UNKNOWN}")),
    "no such method": (405, lambda c: c.put("/notes")),
    "trace": (405, lambda c: c.request("TRACE", "/notes")),
    "too large": (413, lambda c: c.post("/notes", content=b" " * 70_000)),
    "another type": (415, lambda c: c.post("/notes", content=b"1")),
    "another host": (421, lambda c: c.get("/notes", headers={"Host": "evil.test"})),
    "invalid": (422, lambda c: c.post("/notes", json={})),
    "too long": (414, lambda c: c.get("/notes?q=" + "a" * 5000)),
    "without a version": (428, lambda c: c.delete(f"/notes/{UNKNOWN}")),
    "headers too large": (
        431,
        lambda c: c.get("/notes", headers={"X": "a" * 33_000}),
    ),
    "a bug": (500, lambda c: c.get("http://test/bug")),
    "busy": (503, lambda c: c.get("http://test/busy")),
    "the document": (200, lambda c: c.get("http://test/openapi.json")),
    "the docs": (200, lambda c: c.get("http://test/docs")),
    "their script": (200, lambda c: c.get("http://test/docs/start.js")),
    "an asset": (200, lambda c: c.get(ASSETS + "swagger-ui.css")),
    "no such asset": (404, lambda c: c.get(ASSETS + "nowhere.css")),
    "a directory": (404, lambda c: c.get(ASSETS + "../main.py")),
    "a preflight": (200, lambda c: c.options("/notes", headers=PREFLIGHT)),
    "a bad preflight": (400, lambda c: c.options("/notes", headers=BAD_PREFLIGHT)),
}


@pytest.fixture
def backend() -> str:
    return "sqlite"


@pytest.fixture
def overrides() -> dict[str, Any]:
    return {"cors_allowed_origins": [ORIGIN], "allowed_hosts": ["test"]}


@pytest.fixture
async def caller(app: FastAPI, people: People) -> Client:
    async def bug() -> None:
        raise RuntimeError("secret")

    async def busy() -> None:
        raise Overloaded

    app.add_api_route("/bug", bug)
    app.add_api_route("/busy", busy)
    client = await people.sign_in("admin")
    client.headers["Origin"] = ORIGIN
    return client


async def test_every_kind_of_answer_has_the_security_headers(caller: Client) -> None:
    """Mutant: let a middleware answer outside the one that adds the headers."""
    for kind, (status, ask) in KINDS.items():
        answer: Response = await ask(caller)

        assert answer.status_code == status, kind
        expected = dict(ALWAYS)
        if kind == "the docs":
            del expected["content-security-policy"]
        for name, value in expected.items():
            assert answer.headers.get_list(name) == [value], (kind, name)
        for name in ("cache-control", "content-security-policy", "x-request-id"):
            assert len(answer.headers.get_list(name)) == 1, (kind, name)
        assert answer.headers["access-control-allow-origin"] == ORIGIN, kind
        assert "server" not in answer.headers, kind
        allowed = answer.headers.get("access-control-allow-credentials")
        assert allowed == (None if kind == "a bad preflight" else "true"), kind
        if status >= 400:
            assert answer.headers["content-type"] == "application/problem+json", kind
            assert answer.json()["request_id"] == answer.headers["x-request-id"]
            assert "secret" not in answer.text


async def test_the_docs_load_only_their_own_files(caller: Client) -> None:
    answer = await caller.get("http://test/docs")

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "http" not in policy
    assert "//" not in answer.text


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.test",
        "http://app.example.com",
        "https://app.example.com.evil.test",
        "https://evil-app.example.com",
        "https://app.example.com:8443",
        "HTTPS://APP.EXAMPLE.COM",
    ],
)
async def test_no_other_origin_can_read_an_answer(caller: Client, origin: str) -> None:
    for headers in ({}, PREFLIGHT):
        method = "OPTIONS" if headers else "GET"
        headers = {"Origin": origin, **headers}
        answer = await caller.request(method, "/notes", headers=headers)

        assert "access-control-allow-origin" not in answer.headers
        assert "access-control-allow-credentials" not in answer.headers


async def test_scripts_can_read_the_headers_that_clients_need(caller: Client) -> None:
    answer = await caller.get("/notes")

    exposed = answer.headers["access-control-expose-headers"].lower()
    for name in ("etag", "ratelimit", "ratelimit-policy", "retry-after"):
        assert name in exposed.split(", ")
