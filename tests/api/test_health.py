"""The health endpoints that orchestrators and load balancers ask."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from app.core.config import Settings
from app.db import migrate
from app.db.session import Database, transaction
from app.main import create_application
from testbed.valkey import ValkeyServer
from tests.support.people import Client, open_client

SET_REVISION = text("UPDATE alembic_version SET version_num = :revision")


async def test_live_says_that_the_process_is_alive(client: Client) -> None:
    response = await client.get("/health/live")

    assert (response.status_code, response.json()) == (200, {"status": "alive"})


async def test_ready_reports_each_dependency(client: Client, backend: str) -> None:
    response = await client.get("/health/ready")

    redis = "disabled" if backend == "sqlite" else "healthy"
    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "checks": {"database": "healthy", "redis": redis, "schema": "healthy"},
    }


async def test_health_requests_are_not_logged(client: Client) -> None:
    with capture_logs() as logs:
        await client.get("/health/live")
        await client.get("/health/ready")
        await client.get("/notes")

    paths = [line["path"] for line in logs if line["event"] == "http.request"]
    assert paths == ["/api/v1/notes"]


class TestSchema:
    """Mutants: do not check the schema; treat every other revision as too old."""

    @pytest.fixture
    def overrides(self) -> dict[str, Any]:
        return {"health_probe_seconds": 0.05}

    @pytest.mark.parametrize(
        ("revision", "status", "schema"),
        [("0001", 503, "unhealthy"), ("of_a_newer_release", 200, "healthy")],
    )
    async def test_that_is_too_old_makes_the_instance_unready(
        self, settings: Settings, revision: str, status: int, schema: str
    ) -> None:
        async with Database(settings) as database, transaction(database) as session:
            await session.execute(SET_REVISION, {"revision": revision})

        app = create_application(settings)
        async with app.router.lifespan_context(app), open_client(app) as client:
            ready = await client.get("/health/ready")

        assert ready.status_code == status
        assert ready.json()["status"] == ("ready" if status == 200 else "unavailable")
        assert ready.json()["checks"]["database"] == "healthy"
        assert ready.json()["checks"]["schema"] == schema

    async def test_that_is_migrated_makes_the_instance_ready(
        self, settings: Settings, without_notes: None
    ) -> None:
        """Mutant: check the schema only once, when the process starts."""
        await migrate.downgrade(settings, "base")
        app = create_application(settings)
        with capture_logs() as logs:
            async with app.router.lifespan_context(app), open_client(app) as client:
                assert (await client.get("/health/ready")).status_code == 503
                await migrate.upgrade(settings)
                async with asyncio.timeout(60):
                    while (await client.get("/health/ready")).status_code != 200:
                        await asyncio.sleep(0.02)

        states = [line["event"] for line in logs if line.get("dependency") == "schema"]
        assert states == ["dependency.unhealthy", "dependency.healthy"]


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

    async def test_is_reported_as_degraded_and_requests_are_answered(
        self, client: Client, user: Client
    ) -> None:
        async with asyncio.timeout(60):  # the first probe of the database can be late
            while (response := await client.get("/health/ready")).status_code != 200:
                await asyncio.sleep(0.02)

        assert response.json() == {
            "status": "degraded",
            "checks": {
                "database": "healthy",
                "redis": "unhealthy",
                "schema": "healthy",
            },
        }
        assert (await user.get("/notes")).status_code == 200

    @pytest.mark.parametrize("overrides", [{"readiness_critical": ("redis",)}])
    async def test_answers_503_if_the_settings_call_redis_critical(
        self, client: Client
    ) -> None:
        ready = await client.get("/health/ready")

        assert ready.status_code == 503
        assert ready.json()["checks"]["redis"] == "unhealthy"
