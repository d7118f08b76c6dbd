from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Annotated

import pytest
from fastapi import APIRouter, FastAPI, Header, Query
from httpx2 import ASGITransport, AsyncClient
from pydantic import Field

from app.api.errors import add_error_handlers
from app.api.routes import StrictJSONRoute
from app.schemas.base import QueryParameters


class Search(QueryParameters):
    tag: list[str] = Field(default_factory=list)
    limit: int = 1
    sort: str = ""
    q: str = ""


@pytest.fixture
async def client() -> AsyncGenerator[AsyncClient]:
    router = APIRouter(route_class=StrictJSONRoute)

    @router.get("/search")
    async def search(query: Annotated[Search, Query()]) -> list[str]:
        return query.tag

    @router.get("/things/{name}")
    async def read(
        name: str, limit: int = 1, if_match: Annotated[str, Header()] = ""
    ) -> str:
        return name

    app = FastAPI()
    add_error_handlers(app)
    app.state.resources = SimpleNamespace(policies={})  # nothing is limited
    app.include_router(router)
    transport = ASGITransport(app)
    async with AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


class TestQuery:
    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ("limit=1&limit=999", ["limit"]),
            ("limit=1&limit=1", ["limit"]),
            ("sort=name&limit=1&sort=price&limit=2&q=x", ["sort", "limit"]),
        ],
    )
    async def test_says_a_single_thing_once(
        self, client: AsyncClient, query: str, names: list[str]
    ) -> None:
        """Catches FastAPI's own reading, where the last of two values wins."""
        answer = await client.get(f"/search?{query}")

        assert answer.status_code == 422
        faults = answer.json()["errors"]
        assert [fault["pointer"] for fault in faults] == [f"query/{n}" for n in names]
        assert {fault["code"] for fault in faults} == {"repeated"}

    async def test_may_repeat_a_list(self, client: AsyncClient) -> None:
        answer = await client.get("/search?tag=a&limit=1&tag=b")

        assert (answer.status_code, answer.json()) == (200, ["a", "b"])

    @pytest.mark.parametrize(
        "url",
        [
            "/search?{}=x",
            "/search?{}",
            "/things/a?{}=x",
            "/things/a?limit=1&{}=1",
            "/things/a?{}=&{}=",
        ],
    )
    @pytest.mark.parametrize("name", ["colour", "Limit", "name", "if-match"])
    async def test_says_nothing_unknown(
        self, client: AsyncClient, url: str, name: str
    ) -> None:
        """Mutants: to ignore it, as FastAPI does; to know what is not of the query."""
        answer = await client.get(url.format(name, name))

        assert answer.status_code == 422
        assert answer.json()["errors"] == [
            {
                "pointer": f"query/{name}",
                "code": "extra_forbidden",
                "message": "Extra inputs are not permitted",
            }
        ]
