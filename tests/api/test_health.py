"""Probes of orchestrators and load balancers."""

from typing import Any

import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from app.core.config import Settings
from app.main import create_application
from tests.support.people import Client, open_client
from tests.support.valkey import ValkeyServer


async def test_says_that_the_process_is_alive(client: Client) -> None:
    response = await client.get("/health/live")

    assert (response.status_code, response.json()) == (200, {"status": "alive"})


async def test_says_what_is_ready(client: Client, backend: str) -> None:
    response = await client.get("/health/ready")

    redis = "disabled" if backend == "sqlite" else "healthy"
    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "checks": {"database": "healthy", "redis": redis},
    }


async def test_is_not_logged(client: Client) -> None:
    with capture_logs() as logs:
        await client.get("/health/live")
        await client.get("/health/ready")
        await client.get("/products")

    paths = [line["path"] for line in logs if line["event"] == "http.request"]
    assert paths == ["/api/v1/products"]


class TestRedisDown:
    @pytest.fixture
    def backend(self) -> str:
        return "postgresql"

    @pytest.fixture
    def overrides(self) -> dict[str, Any]:
        return {"health_probe_seconds": 0.05}

    async def test_degrades_without_refusing_requests(
        self, settings: Settings, valkey: ValkeyServer
    ) -> None:
        valkey.pause()
        try:
            app = create_application(settings)
            async with app.router.lifespan_context(app), open_client(app) as client:
                response = await client.get("/health/ready")
                assert response.status_code == 200
                assert response.json() == {
                    "status": "degraded",
                    "checks": {"database": "healthy", "redis": "unhealthy"},
                }
                assert (await client.get("/products")).status_code == 200
        finally:
            valkey.resume()

    async def test_is_critical_where_the_settings_say_so(
        self, settings: Settings, valkey: ValkeyServer
    ) -> None:
        strict = settings.model_copy(
            update={"readiness_critical": ("database", "redis")}
        )
        valkey.pause()
        try:
            app: FastAPI = create_application(strict)
            async with app.router.lifespan_context(app), open_client(app) as client:
                assert (await client.get("/health/ready")).status_code == 503
        finally:
            valkey.resume()
