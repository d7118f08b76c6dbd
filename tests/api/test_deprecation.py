"""Deprecated operations, which say when they were deprecated and when they end."""

from datetime import UTC, datetime

import pytest

from app.api.authorization import public
from app.api.deprecation import deprecated
from app.api.routes import api_router
from app.core.config import Settings
from app.core.errors import NotFound
from app.main import create_application
from tests.support.people import open_client

router = api_router(tags=["old"])


@router.get("/old", openapi_extra=public("A test."))
@deprecated(
    since=datetime(2026, 1, 1, tzinfo=UTC),
    sunset=datetime(2027, 1, 1, tzinfo=UTC),
    link="https://api.example.com/changes",
)
async def read_old(absent: bool = False) -> None:
    if absent:
        raise NotFound("Absent.")


class TestDeprecatedOperation:
    @pytest.mark.parametrize("query", ["", "?absent=true"])
    async def test_is_marked_in_every_answer(
        self, settings: Settings, query: str
    ) -> None:
        """Mutant: set the headers on the response that the endpoint returns."""
        app = create_application(settings, [router])
        async with app.router.lifespan_context(app), open_client(app) as client:
            answer = await client.get(f"/old{query}")

        assert answer.status_code == (404 if query else 200)
        assert answer.headers["deprecation"] == "@1767225600"
        assert answer.headers["sunset"] == "Fri, 01 Jan 2027 00:00:00 GMT"
        link = '<https://api.example.com/changes>; rel="deprecation"'
        assert answer.headers["link"] == link

    def test_is_marked_in_the_openapi_document(self, settings: Settings) -> None:
        document = create_application(settings, [router]).openapi()

        operation = document["paths"]["/api/v1/old"]["get"]
        assert operation["deprecated"] is True
        headers = operation["responses"]["200"]["headers"]
        assert {"Deprecation", "Sunset", "Link"} < {*headers}
        assert "deprecated" not in document["paths"]["/.well-known/jwks.json"]["get"]
