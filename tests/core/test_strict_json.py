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
from pydantic import ConfigDict, RootModel

from app.api.problems import refusal_response
from app.api.routes import ApiRoute
from app.core.errors import AppError
from app.core.strict_json import MAX_DEPTH, BodyMalformed, parse

JSON = {"content-type": "application/json"}
NAMES: dict[str, Any] = {"a": {}, "a/b~c é": {}}


class Value(RootModel[Any]):
    """Any JSON. The schema declares only the names in `NAMES`."""

    model_config = ConfigDict(json_schema_extra={"properties": NAMES})


@pytest.fixture
async def client() -> AsyncGenerator[AsyncClient]:
    router = APIRouter(route_class=ApiRoute)

    @router.post("/echo")
    async def echo(value: Annotated[Value, Body()]) -> Any:
        return {"value": value}

    @router.post("/nothing")
    async def nothing() -> None: ...

    async def render(_: Request, error: Exception) -> Response:
        assert isinstance(error, AppError)
        return refusal_response(error)

    app = FastAPI(exception_handlers={AppError: render})
    app.state.shared = SimpleNamespace(policies={})  # without rate limits
    app.include_router(
        router, prefix="/v1"
    )  # FastAPI builds new handlers for included routes
    transport = ASGITransport(app)
    async with AsyncClient(transport=transport, base_url="http://test/v1") as client:
        yield client


async def refusal(client: AsyncClient, body: bytes) -> tuple[int, str]:
    answer = await client.post("/echo", content=body, headers=JSON)
    return answer.status_code, answer.json()["code"]


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * depth + b"1" * (closing == b"}") + closing * depth


class TestMalformedBody:
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
    async def test_is_refused(self, client: AsyncClient, body: bytes) -> None:
        assert await refusal(client, body) == (400, "body_malformed")

    async def test_is_not_repeated_in_the_answer(self, client: AsyncClient) -> None:
        answer = await client.post("/echo", content=b'{"hunter2', headers=JSON)
        assert "hunter2" not in answer.text


class TestNestingDepth:
    @pytest.mark.parametrize(
        ("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")]
    )
    async def test_is_at_most_32_levels(
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
    async def test_ignores_width_and_brackets_in_text(
        self, client: AsyncClient, value: Any
    ) -> None:
        answer = await client.post("/echo", json=value)
        assert answer.json() == {"value": value}

    def test_is_measured_in_one_pass_over_hostile_quotes(self) -> None:
        # A search that starts again at each quote would take minutes.
        with pytest.raises(BodyMalformed):
            parse(b"[" * 33 + b'\\"' * 500_000)


class TestTextInJson:
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
            (rb'{"hunter2": "\u0000"}', "#", "nul_character"),
            (rb'{"a": [{"hunter2": {"a": "\u0000"}}]}', "#/a/0", "nul_character"),
        ],
    )
    async def test_that_cannot_be_stored_is_refused_with_its_position(
        self, client: AsyncClient, body: bytes, pointer: str, code: str
    ) -> None:
        answer = await client.post("/echo", content=body, headers=JSON)
        assert answer.status_code == 422
        [error] = answer.json()["errors"]
        assert (error["pointer"], error["code"]) == (pointer, code)

    @pytest.mark.parametrize(
        "body", [rb'"\ud83d\ude00"', rb'"\\u0000"', rb'"\\ud800"', '"é😀"'.encode()]
    )
    async def test_that_only_resembles_such_text_is_read(
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
    async def test_json_in_utf_8_is_read(
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
    async def test_any_other_is_refused(
        self, client: AsyncClient, content_type: str | None
    ) -> None:
        headers = {} if content_type is None else {"content-type": content_type}
        answer = await client.post("/echo", content=b"1", headers=headers)
        assert answer.status_code == 415
        assert answer.json()["code"] == "unsupported_media_type"
        assert answer.headers["accept"] == "application/json"


class TestContentCoding:
    @pytest.mark.parametrize("coding", ["", "identity", "Identity"])
    async def test_identity_is_read(self, client: AsyncClient, coding: str) -> None:
        headers = JSON | {"content-encoding": coding}
        answer = await client.post("/echo", content=b"1", headers=headers)
        assert answer.json() == {"value": 1}

    @pytest.mark.parametrize(
        "codings", [["gzip"], ["x"], ["gzip, identity"], ["identity", "br"]]
    )
    async def test_any_other_is_refused(
        self, client: AsyncClient, codings: list[str]
    ) -> None:
        """Mutant: read a compressed body as if it were not compressed."""
        headers = [*JSON.items(), *(("content-encoding", each) for each in codings)]
        answer = await client.post("/echo", content=b"1", headers=headers)
        assert answer.status_code == 415
        assert answer.json()["code"] == "unsupported_media_type"
        assert answer.headers["accept-encoding"] == "identity"


class TestBody:
    async def test_that_is_missing_is_refused_by_the_schema(
        self, client: AsyncClient
    ) -> None:
        assert (await client.post("/echo")).status_code == 422

    async def test_of_a_route_without_a_body_is_ignored(
        self, client: AsyncClient
    ) -> None:
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
    def test_of_valid_json_is_read_unchanged(self, value: Any) -> None:
        for ascii_only in (True, False):
            assert parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value

    @given(st.binary(max_size=64) | st.text('[]{}",:\\u0d8e1 ').map(str.encode))
    def test_of_any_bytes_is_read_or_refused(self, body: bytes) -> None:
        try:
            value = parse(body)
        except AppError:
            return
        assert json.loads(body) == value
