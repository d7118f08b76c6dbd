"""The health endpoints that orchestrators and load balancers ask."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from testbed.valkey import ValkeyServer
from tests.support.people import Client


async def test_live_says_that_the_process_is_alive(client: Client) -> None:
    response = await client.get("/health/live")

    assert (response.status_code, response.json()) == (200, {"status": "alive"})


async def test_ready_reports_each_dependency(client: Client, backend: str) -> None:
    response = await client.get("/health/ready")

    redis = "disabled" if backend == "sqlite" else "healthy"
    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "checks": {"database": "healthy", "redis": redis},
    }


async def test_health_requests_are_not_logged(client: Client) -> None:
    with capture_logs() as logs:
        await client.get("/health/live")
        await client.get("/health/ready")
        await client.get("/notes")

    paths = [line["path"] for line in logs if line["event"] == "http.request"]
    assert paths == ["/api/v1/notes"]


class TestRedisDown:
    @pytest.fixture
    def patience(self) -> None:
        """Keep the timeouts of production, because this class tests them."""

    @pytest.fixture
    def backend(self) -> str:
        return "postgresql"

    @pytest.fixture
    def redis_url(self, valkey: ValkeyServer) -> Iterator[str]:
        valkey.pause()
        yield valkey.url
        valkey.resume()

    @pytest.fixture
    def overrides(self) -> dict[str, Any]:
        return {"health_probe_seconds": 0.05}

    async def test_degrades_without_refusing_requests(
        self, client: Client, user: Client
    ) -> None:
        async with asyncio.timeout(60):  # the first probe of the database can be late
            while (response := await client.get("/health/ready")).status_code != 200:
                await asyncio.sleep(0.02)

        assert response.json() == {
            "status": "degraded",
            "checks": {"database": "healthy", "redis": "unhealthy"},
        }
        assert (await user.get("/notes")).status_code == 200

    @pytest.mark.parametrize("overrides", [{"readiness_critical": ("redis",)}])
    async def test_answers_503_if_the_settings_call_redis_critical(
        self, client: Client
    ) -> None:
        ready = await client.get("/health/ready")

        assert ready.status_code == 503
        assert ready.json()["checks"]["redis"] == "unhealthy"
