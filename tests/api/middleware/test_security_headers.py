import pytest
from fastapi import FastAPI, HTTPException
from httpx2 import ASGITransport, AsyncClient
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.middleware.body_limit import BodyLimitMiddleware
from app.api.middleware.methods import MethodsMiddleware
from app.api.middleware.security_headers import SecurityHeadersMiddleware
from app.api.middleware.strict_http import StrictHttpMiddleware
from app.api.middleware.unhandled_errors import UnhandledErrorsMiddleware
from tests.api.middleware.exchange import ask, greet, http_scope

EXPECTED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
    ),
    "permissions-policy": (
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
    ),
}


def answering(**headers: str) -> ASGIApp:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return SecurityHeadersMiddleware(Response(headers=names))


class TestEveryAnswer:
    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/", 200),
            ("GET", "/absent", 404),
            ("DELETE", "/", 405),
            ("TRACE", "/", 405),
            ("GET", "/teapot", 418),
            ("POST", "/", 413),
            ("GET", "/typed?number=x", 422),
            ("GET", "/bug", 500),
        ],
    )
    async def test_has_each_header_once(
        self, method: str, path: str, status: int
    ) -> None:
        transport = ASGITransport(whole_application())
        async with AsyncClient(transport=transport, base_url="http://test") as client:
            content = b"12345678901" if method == "POST" else None
            answer = await client.request(method, path, content=content)
        assert answer.status_code == status
        for name, value in EXPECTED.items():
            assert answer.headers.get_list(name) == [value]

    async def test_does_not_name_the_server(self) -> None:
        answer = await ask(answering(server="a-server/1.0"), http_scope())
        assert answer.values(b"server") == []


class TestHeadersOfARoute:
    @pytest.mark.parametrize("name", ["cache-control", "content-security-policy"])
    async def test_can_replace_the_cache_and_content_policies(self, name: str) -> None:
        answer = await ask(answering(**{name: "its own"}), http_scope())
        assert answer.values(name.encode()) == [b"its own"]

    async def test_cannot_replace_any_other_header(self) -> None:
        answer = await ask(answering(x_frame_options="SAMEORIGIN"), http_scope())
        assert answer.values(b"x-frame-options") == [b"DENY"]

    async def test_are_kept(self) -> None:
        answer = await ask(answering(etag='"1"'), http_scope())
        assert answer.values(b"etag") == [b'"1"']

    async def test_are_not_added_to_a_message_that_is_sent_again(self) -> None:
        start: Message = {"type": "http.response.start", "status": 503, "headers": []}

        async def prepared(scope: Scope, receive: Receive, send: Send) -> None:
            await send(start)

        await ask(SecurityHeadersMiddleware(prepared), http_scope())
        assert start["headers"] == []


class TestStrictTransportSecurity:
    async def test_is_sent_over_https(self) -> None:
        answer = await ask(answering(), http_scope(scheme="https"))
        expected = [b"max-age=31536000; includeSubDomains"]
        assert answer.values(b"strict-transport-security") == expected

    async def test_is_not_sent_over_http(self) -> None:
        answer = await ask(answering(), http_scope())
        assert answer.values(b"strict-transport-security") == []


class TestCrossOriginResourcePolicy:
    async def test_is_cross_origin_if_enabled(self) -> None:
        app = SecurityHeadersMiddleware(greet, cross_origin=True)
        answer = await ask(app, http_scope())
        assert answer.values(b"cross-origin-resource-policy") == [b"cross-origin"]


def whole_application() -> ASGIApp:
    app = FastAPI()

    @app.get("/")
    @app.post("/")
    async def root() -> None: ...

    @app.get("/typed")
    async def typed(number: int) -> int:
        return number

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418)

    @app.get("/bug")
    async def bug() -> None:
        raise RuntimeError

    # Starlette handles unhandled errors outside the middleware that is added here.
    app.add_middleware(MethodsMiddleware)
    app.add_middleware(BodyLimitMiddleware, default=10)
    app.add_middleware(StrictHttpMiddleware, allowed_hosts=[])
    app.add_middleware(UnhandledErrorsMiddleware)
    app.add_middleware(SecurityHeadersMiddleware)
    return app
