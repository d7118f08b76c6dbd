import gzip
from collections.abc import AsyncGenerator

import pytest
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp

from app.api.middleware.compression import CompressionMiddleware
from tests.api.middleware.exchange import HOST, Answer, ask, http_scope

LARGE = b"a" * 1000
ACCEPT = (b"accept-encoding", b"br, gzip")


async def compressed(app: ASGIApp, *, accept: bool = True) -> Answer:
    headers = [HOST, ACCEPT] if accept else [HOST]
    app = CompressionMiddleware(app, minimum_size=1000)
    return await ask(app, http_scope(headers=headers))


def streamed(*chunks: bytes) -> ASGIApp:
    async def content() -> AsyncGenerator[bytes]:
        for chunk in chunks:
            yield chunk

    return StreamingResponse(content())


@pytest.mark.parametrize("app", [Response(LARGE), streamed(LARGE[:10], LARGE[10:])])
async def test_large_answers_are_compressed(app: ASGIApp) -> None:
    answer = await compressed(app)

    assert answer.values(b"content-encoding") == [b"gzip"]
    assert answer.values(b"vary") == [b"Accept-Encoding"]
    assert gzip.decompress(answer.body) == LARGE


@pytest.mark.parametrize("media_type", ["application/json", "text/plain"])
async def test_answers_are_not_compressed_unless_the_client_accepts_gzip(
    media_type: str,
) -> None:
    answer = await compressed(Response(LARGE, media_type=media_type), accept=False)

    assert answer.body == LARGE
    assert answer.values(b"content-encoding") == []
    assert answer.values(b"vary") == [b"Accept-Encoding"]


@pytest.mark.parametrize(
    "app",
    [
        Response(LARGE[1:]),
        Response(status_code=204),
        Response(LARGE, media_type="image/png"),
        Response(LARGE, headers={"content-encoding": "br"}),
    ],
)
async def test_small_and_compressed_answers_are_not_compressed(app: ASGIApp) -> None:
    plain, answer = await compressed(app, accept=False), await compressed(app)

    assert answer.body == plain.body
    assert b"gzip" not in answer.values(b"content-encoding")
