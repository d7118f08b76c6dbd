from collections.abc import Collection
from typing import Any

import pytest
from starlette.types import Message, Scope

from app.api.middleware.strict_http import StrictHttpMiddleware
from tests.api.middleware.exchange import (
    HOST,
    Answer,
    Headers,
    ask,
    greet,
    http_scope,
    receiving,
)


async def guard(
    scope: Scope, *, allowed_hosts: Collection[str] = (), **options: Any
) -> Answer:
    app = StrictHttpMiddleware(greet, allowed_hosts=allowed_hosts, **options)
    return await ask(app, scope)


async def code(scope: Scope, **options: Any) -> tuple[int, str]:
    answer = await guard(scope, **options)
    return answer.status, answer.problem["code"]


def host(value: bytes) -> Scope:
    return http_scope(headers=[(b"host", value)])


class TestHostHeader:
    @pytest.mark.parametrize("headers", [[], [HOST, HOST], [(b"host", b"")]])
    async def test_must_come_exactly_once(self, headers: Headers) -> None:
        assert await code(http_scope(headers=headers)) == (400, "host_invalid")

    @pytest.mark.parametrize(
        "value",
        [
            b"a.example b.example",
            b"a.example,b.example",
            b"user@a.example",
            b"a.example/path",
            b"a.example:",
            b"a.example:port",
            b"a.example:123456",
            b"::1",
            b"[::1",
            b"\xc3\xa9.example",
            b"a.example\n",
            b"a" * 256,
        ],
    )
    async def test_must_be_well_formed(self, value: bytes) -> None:
        assert await code(host(value)) == (400, "host_invalid")

    @pytest.mark.parametrize("value", [b"a.example", b"10.1.2.3:8000", b"[::1]:8000"])
    @pytest.mark.parametrize("allowed", [[], ["*"], ["*", "b.example"]])
    async def test_can_be_any_host_unless_hosts_are_configured(
        self, value: bytes, allowed: list[str]
    ) -> None:
        assert (await guard(host(value), allowed_hosts=allowed)).status == 200

    @pytest.mark.parametrize(
        "value",
        [
            b"a.example",
            b"A.Example",
            b"a.example.",
            b"a.example:8000",
            b"x.b.example",
            b"y.x.b.example:443",
            b"[::1]:8000",
        ],
    )
    async def test_is_compared_with_the_configured_names_and_domains(
        self, value: bytes
    ) -> None:
        allowed = ["A.example", "*.b.example", "[::1]"]
        assert (await guard(host(value), allowed_hosts=allowed)).status == 200

    @pytest.mark.parametrize(
        "value", [b"b.example", b"xb.example", b"x.a.example", b"a.example.evil"]
    )
    async def test_of_another_host_is_refused_with_421(self, value: bytes) -> None:
        allowed = ["a.example", "*.b.example"]
        refused = await code(host(value), allowed_hosts=allowed)
        assert refused == (421, "host_not_allowed")

    async def test_of_a_health_probe_can_be_an_address(self) -> None:
        scope = http_scope(path="/live", headers=[(b"host", b"10.1.2.3:8000")])
        options = {"allowed_hosts": ["a.example"], "any_host_paths": ["/live"]}
        assert (await guard(scope, **options)).status == 200
        scope.update(root_path="/shop", path="/shop/live")
        assert (await guard(scope, **options)).status == 200
        scope["path"] = "/live/x"
        assert (await guard(scope, **options)).status == 421

    async def test_of_a_health_probe_can_be_missing_in_http_1_0(self) -> None:
        """The default probe of HAProxy sends no Host.

        Mutant: allow a missing Host on every path.
        """
        scope = http_scope(path="/live", headers=[])
        scope["http_version"] = "1.0"
        options = {"allowed_hosts": ["a.example"], "any_host_paths": ["/live"]}
        assert (await guard(scope, **options)).status == 200
        scope["headers"] = [(b"host", b"")]
        assert await code(scope, **options) == (400, "host_invalid")
        scope["headers"], scope["path"] = [], "/other"
        assert await code(scope, **options) == (400, "host_invalid")

    async def test_of_a_health_probe_cannot_be_missing_in_http_1_1(self) -> None:
        scope = http_scope(path="/live", headers=[])
        refused = await code(scope, any_host_paths=["/live"])
        assert refused == (400, "host_invalid")


class TestHeaderLimits:
    @pytest.mark.parametrize(
        "name", [b"authorization", b"content-type", b"content-length"]
    )
    async def test_a_header_with_a_single_value_cannot_be_repeated(
        self, name: bytes
    ) -> None:
        once = http_scope(headers=[HOST, (name, b"1")])
        twice = http_scope(headers=[HOST, (name, b"1"), (name, b"1")])
        assert (await guard(once)).status == 200
        assert await code(twice) == (400, "header_duplicated")

    async def test_a_header_with_a_list_can_be_repeated(self) -> None:
        accept = (b"accept", b"application/json")
        assert (await guard(http_scope(headers=[HOST, accept, accept]))).status == 200

    async def test_a_request_has_at_most_100_headers(self) -> None:
        many = [HOST, *[(b"x-a", b"1")] * 99]
        assert (await guard(http_scope(headers=many))).status == 200
        refused = await code(http_scope(headers=[*many, (b"x-a", b"1")]))
        assert refused == (431, "headers_too_large")

    async def test_headers_have_at_most_32_kib_together(self) -> None:
        room = 32 * 1024 - sum(map(len, HOST)) - len(b"x-a")
        filled = http_scope(headers=[HOST, (b"x-a", b"v" * room)])
        over = http_scope(headers=[HOST, (b"x-a", b"v" * (room + 1))])
        assert (await guard(filled)).status == 200
        assert await code(over) == (431, "headers_too_large")

    @pytest.mark.parametrize("lines", [1, 2])
    async def test_cookies_have_at_most_8_kib_together(self, lines: int) -> None:
        cookie = (b"cookie", b"c" * (8 * 1024 // lines))
        filled = http_scope(headers=[HOST, *[cookie] * lines])
        over = http_scope(headers=[HOST, *[cookie] * lines, (b"cookie", b"c")])
        assert (await guard(filled)).status == 200
        assert await code(over) == (431, "headers_too_large")


class TestRequestTarget:
    async def test_path_has_at_most_2_kib_before_decoding(self) -> None:
        filled = http_scope(raw_path=b"/" + b"a" * 2047)
        over = http_scope(raw_path=b"/" + b"a" * 2048)
        assert (await guard(filled)).status == 200
        assert await code(over) == (414, "uri_too_long")

    async def test_path_is_limited_if_the_server_gives_only_the_decoded_path(
        self,
    ) -> None:
        over = http_scope(path="/" + "é" * 1024)
        del over["raw_path"]
        assert await code(over) == (414, "uri_too_long")

    async def test_query_has_at_most_4_kib(self) -> None:
        assert (await guard(http_scope(query=b"a" * 4096))).status == 200
        assert await code(http_scope(query=b"a" * 4097)) == (414, "uri_too_long")

    @pytest.mark.parametrize("character", ["\0", "\n", "\r", "\x1f", "\x7f"])
    async def test_path_contains_no_control_character(self, character: str) -> None:
        scope = http_scope(path=f"/a{character}b", raw_path=b"/a%00b")
        assert await code(scope) == (400, "path_invalid")

    @pytest.mark.parametrize(
        "query", [b"q=%00", b"q=%0a", b"q=%1F", b"q=%7f", b"%0D=q", b"q=\x00"]
    )
    async def test_query_contains_no_control_character(self, query: bytes) -> None:
        assert await code(http_scope(query=query)) == (400, "path_invalid")

    @pytest.mark.parametrize("query", [b"q=%20%C3%A9%80", b"q=100%", b"q=%2500"])
    async def test_query_can_contain_any_other_character(self, query: bytes) -> None:
        scope = http_scope(path="/caf\u00e9/\u00a0", query=query)
        assert (await guard(scope)).status == 200

    @pytest.mark.parametrize(
        "path", ["/a%2fb", "/a%5Cb", "/a\\b", "/a/%2e%2E/b", "/a/..", "/./a", "/a/.%2e"]
    )
    async def test_path_must_mean_the_same_to_all_proxies(self, path: str) -> None:
        assert await code(http_scope(raw_path=path.encode())) == (400, "path_invalid")

    @pytest.mark.parametrize(
        "path", ["/.well-known/a", "/a..b", "/a%2Eb", "/a/...", "/"]
    )
    async def test_path_can_contain_other_dots(self, path: str) -> None:
        assert (await guard(http_scope(raw_path=path.encode()))).status == 200


class TestTransferEncoding:
    @pytest.mark.parametrize("value", [b"gzip, chunked", b"identity", b"chunked,", b""])
    async def test_is_only_chunked(self, value: bytes) -> None:
        scope = http_scope(headers=[HOST, (b"transfer-encoding", value)])
        assert await code(scope) == (400, "transfer_encoding_invalid")

    async def test_is_not_repeated(self) -> None:
        lines = [(b"transfer-encoding", each) for each in (b"gzip", b"chunked")]
        assert await code(http_scope(headers=[HOST, *lines])) == (
            400,
            "header_duplicated",
        )

    async def test_is_read_in_any_case(self) -> None:
        scope = http_scope(headers=[HOST, (b"transfer-encoding", b"Chunked")])
        assert (await guard(scope)).status == 200


class TestWebSocket:
    async def test_is_refused(self) -> None:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        app = StrictHttpMiddleware(greet, allowed_hosts=())
        scope = {"type": "websocket", "headers": [HOST], "path": "/"}
        await app(scope, receiving(), send)

        assert [message["type"] for message in sent] == ["websocket.close"]
