import json
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body, FastAPI, Request
from fastapi.responses import Response
from httpx2 import ASGITransport, AsyncClient
from hypothesis import given
from hypothesis import strategies as st

from app.api.problems import refusal_response
from app.api.routes import ApiRoute
from app.core.errors import AppError
from app.core.strict_json import MAX_DEPTH, BodyMalformed, parse

JSON = {"content-type": "application/json"}


@pytest.fixture
async def client() -> AsyncGenerator[AsyncClient]:
    router = APIRouter(route_class=ApiRoute)

    @router.post("/echo")
    async def echo(value: Annotated[Any, Body()]) -> Any:
        return {"value": value}

    @router.post("/nothing")
    async def nothing() -> None: ...

    async def render(_: Request, error: Exception) -> Response:
        assert isinstance(error, AppError)
        return refusal_response(error)

    app = FastAPI(exception_handlers={AppError: render})
    app.state.shared = SimpleNamespace(policies={})  # nothing is limited
    app.include_router(router, prefix="/v1")  # included routes get handlers anew
    transport = ASGITransport(app)
    async with AsyncClient(transport=transport, base_url="http://test/v1") as client:
        yield client


async def refusal(client: AsyncClient, body: bytes) -> tuple[int, str]:
    answer = await client.post("/echo", content=body, headers=JSON)
    return answer.status_code, answer.json()["code"]


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * depth + b"1" * (closing == b"}") + closing * depth


class TestMalformed:
    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"'a'",
            b"[1,]",
            b"{} {}",
            b" ",
            b'"\n"',
            b'"\\x"',
            b'{"a": 1, "a": 1}',
            b'{"a": 1, "\\u0061": 2}',
            b'[{"b": {"a": 1, "a": 1}}]',
            b"NaN",
            b'{"n": NaN}',
            b"[Infinity]",
            b"[-Infinity]",
            b"1e999",
            b"[-1e999]",
            b"1" * 5000,
            b'\xef\xbb\xbf{"a": 1}',
            '{"a": 1}'.encode("utf-16"),
            '{"a": 1}'.encode("utf-16-le"),
            '{"a": 1}'.encode("utf-32"),
            b'"\xff"',
            b'"\xed\xa0\x80"',
            b'"\xc0\x80"',
        ],
    )
    async def test_body_is_refused(self, client: AsyncClient, body: bytes) -> None:
        assert await refusal(client, body) == (400, "body_malformed")

    async def test_body_is_not_repeated(self, client: AsyncClient) -> None:
        answer = await client.post("/echo", content=b'{"hunter2', headers=JSON)
        assert "hunter2" not in answer.text


class TestDepth:
    @pytest.mark.parametrize(
        ("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")]
    )
    async def test_of_32_levels_is_the_most(
        self, client: AsyncClient, opening: bytes, closing: bytes
    ) -> None:
        levels = MAX_DEPTH // (opening.count(b"[") + opening.count(b"{"))
        deep = b"[" + opening * levels + b"1" + closing * levels + b"]"
        fits = opening * levels + b"1" + closing * levels
        answer = await client.post("/echo", content=fits, headers=JSON)
        assert answer.status_code == 200
        assert await refusal(client, deep) == (400, "body_malformed")

    @pytest.mark.parametrize(
        "body", [b"[" * 60_000, b'{"a":' * 12_000, b"[" * 30_000 + b"]" * 30_000]
    )
    async def test_never_exhausts_the_stack(
        self, client: AsyncClient, body: bytes
    ) -> None:
        assert await refusal(client, body) == (400, "body_malformed")

    @pytest.mark.parametrize(
        "value",
        [
            [[]] * 500,
            [{"a": [{}]}] * 500,
            ["[" * 100],
            ['"' + "[" * 100 + "\\"],
            ["\\" * 3, "{" * 100],
            {"[" * 50: "{" * 50},
        ],
    )
    async def test_is_not_width_and_not_text(
        self, client: AsyncClient, value: Any
    ) -> None:
        answer = await client.post("/echo", json=value)
        assert answer.json() == {"value": value}

    def test_is_measured_in_one_pass_over_hostile_quotes(self) -> None:
        # Tried from each quote anew, this would take minutes.
        with pytest.raises(BodyMalformed):
            parse(b"[" * 33 + b'\\"' * 500_000)


class TestText:
    @pytest.mark.parametrize(
        ("body", "pointer", "code"),
        [
            (rb'"\u0000"', "#", "nul_character"),
            (rb'{"a": ["x", "y\u0000"]}', "#/a/1", "nul_character"),
            (rb'{"a": {"k\u0000": 1}}', "#/a", "nul_character"),
            (rb'["\ud800"]', "#/0", "lone_surrogate"),
            (rb'["\uDFFF"]', "#/0", "lone_surrogate"),
            (rb'["\ude00\ud83d"]', "#/0", "lone_surrogate"),
            (rb'{"\ud800": {"a": 1}}', "#", "lone_surrogate"),
            (rb'{"a/b~c \u00e9": "\ud800"}', "#/a~1b~0c%20%C3%A9", "lone_surrogate"),
        ],
    )
    async def test_that_cannot_be_stored_is_refused_where_it_is(
        self, client: AsyncClient, body: bytes, pointer: str, code: str
    ) -> None:
        answer = await client.post("/echo", content=body, headers=JSON)
        assert answer.status_code == 422
        [error] = answer.json()["errors"]
        assert (error["pointer"], error["code"]) == (pointer, code)

    @pytest.mark.parametrize(
        "body", [rb'"\ud83d\ude00"', rb'"\\u0000"', rb'"\\ud800"', '"é😀"'.encode()]
    )
    async def test_that_looks_like_it_is_read(
        self, client: AsyncClient, body: bytes
    ) -> None:
        answer = await client.post("/echo", content=body, headers=JSON)
        assert answer.json() == {"value": json.loads(body)}


class TestContentType:
    @pytest.mark.parametrize(
        "content_type",
        [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=UTF-8",
            'application/json ; charset="utf-8"',
            "application/json; charset=us-ascii",
        ],
    )
    async def test_is_json_in_utf_8(
        self, client: AsyncClient, content_type: str
    ) -> None:
        headers = {"content-type": content_type}
        answer = await client.post("/echo", content=b"1", headers=headers)
        assert answer.json() == {"value": 1}

    @pytest.mark.parametrize(
        "content_type",
        [
            None,
            "",
            "text/plain",
            "text/json",
            "application/x-www-form-urlencoded",
            "application/merge-patch+json",
            "application/jsonx",
            "application/json; charset=utf-16",
            "application/json; charset=utf-8; charset=utf-16",
            "application/json, text/plain",
            'application/json; charset="utf-8',
            "application/json; charset=iso-8859-1",
            "application/json; charset=",
            "application/json; charset",
        ],
    )
    async def test_of_another_kind_is_refused(
        self, client: AsyncClient, content_type: str | None
    ) -> None:
        headers = {} if content_type is None else {"content-type": content_type}
        answer = await client.post("/echo", content=b"1", headers=headers)
        assert answer.status_code == 415
        assert answer.json()["code"] == "unsupported_media_type"
        assert answer.headers["accept"] == "application/json"


class TestContentCoding:
    @pytest.mark.parametrize("coding", ["", "identity", "Identity"])
    async def test_may_be_none(self, client: AsyncClient, coding: str) -> None:
        headers = JSON | {"content-encoding": coding}
        answer = await client.post("/echo", content=b"1", headers=headers)
        assert answer.json() == {"value": 1}

    @pytest.mark.parametrize(
        "codings", [["gzip"], ["x"], ["gzip, identity"], ["identity", "br"]]
    )
    async def test_is_refused(self, client: AsyncClient, codings: list[str]) -> None:
        """Mutant: to read what is said to be compressed as if it were not."""
        headers = [*JSON.items(), *(("content-encoding", each) for each in codings)]
        answer = await client.post("/echo", content=b"1", headers=headers)
        assert answer.status_code == 415
        assert answer.json()["code"] == "unsupported_media_type"
        assert answer.headers["accept-encoding"] == "identity"


class TestBody:
    async def test_that_is_missing_is_left_to_the_schema(
        self, client: AsyncClient
    ) -> None:
        assert (await client.post("/echo")).status_code == 422

    async def test_that_no_one_reads_is_not_examined(self, client: AsyncClient) -> None:
        headers = {"content-type": "text/plain"}
        answer = await client.post("/nothing", content=b"{", headers=headers)
        assert answer.status_code == 200

    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
            lambda inner: st.lists(inner) | st.dictionaries(st.text("ab"), inner),
            max_leaves=10,
        )
    )
    def test_that_is_proper_means_what_it_says(self, value: Any) -> None:
        for ascii_only in (True, False):
            assert parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value

    @given(st.binary(max_size=64) | st.text('[]{}",:\\u0d8e1 ').map(str.encode))
    def test_of_any_bytes_is_read_or_refused(self, body: bytes) -> None:
        try:
            value = parse(body)
        except AppError:
            return
        assert json.loads(body) == value
