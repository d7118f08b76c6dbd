from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Annotated

import pytest
from fastapi import APIRouter, FastAPI, Query
from fastapi.routing import iter_route_contexts
from httpx2 import ASGITransport, AsyncClient
from pydantic import Field

from app.api.errors import add_error_handlers
from app.api.routes import ApiRoute
from app.schemas.base import QueryParameters


class Search(QueryParameters):
    tag: list[str] = Field(default_factory=list)
    limit: int = 1
    sort: str = ""
    q: str = ""


@pytest.fixture
def router() -> APIRouter:
    router = APIRouter(route_class=ApiRoute)

    @router.get("/search")
    async def search(query: Annotated[Search, Query()]) -> list[str]:
        return query.tag

    return router


@pytest.fixture
async def client(router: APIRouter) -> AsyncGenerator[AsyncClient]:
    app = FastAPI()
    add_error_handlers(app)
    app.state.shared = SimpleNamespace(policies={})  # without rate limits
    app.include_router(router)
    transport = ASGITransport(app)
    async with AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


class TestQueryParameters:
    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ("limit=1&limit=999", ["limit"]),
            ("limit=1&limit=1", ["limit"]),
            ("sort=name&limit=1&sort=price&limit=2&q=x", ["sort", "limit"]),
        ],
    )
    async def test_refuse_a_repeated_single_value(
        self, client: AsyncClient, query: str, names: list[str]
    ) -> None:
        """Mutant: let FastAPI read the query, which takes the last of two values."""
        answer = await client.get(f"/search?{query}")

        assert answer.status_code == 422
        faults = answer.json()["errors"]
        assert [fault["pointer"] for fault in faults] == [f"query/{n}" for n in names]
        assert {fault["code"] for fault in faults} == {"repeated"}

    async def test_accept_a_repeated_list(self, client: AsyncClient) -> None:
        answer = await client.get("/search?tag=a&limit=1&tag=b")

        assert (answer.status_code, answer.json()) == (200, ["a", "b"])


class TestIncludingARouter:
    def test_shares_the_parts_of_the_route(self, router: APIRouter) -> None:
        """Mutant: let FastAPI make these objects again for the included route."""
        [route] = router.routes
        app = FastAPI(openapi_url=None)
        app.include_router(router)

        [included] = iter_route_contexts(app.routes)

        assert isinstance(route, ApiRoute)
        assert included.original_route is route
        for name in ("dependant", "body_field", "response_field", "response_fields"):
            assert getattr(included, name) is getattr(route, name)

    async def test_is_necessary(self, router: APIRouter) -> None:
        """Mutant: answer by FastAPI alone, without the checks of `ApiRoute`."""
        transport = ASGITransport(router)
        async with AsyncClient(transport=transport, base_url="http://test") as client:
            with pytest.raises(RuntimeError, match="Include the router"):
                await client.get("/search")
