"""The metrics that Prometheus reads."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from app.core.config import Settings
from app.main import create_application
from tests.support.people import Client, open_client

TOKEN = "a-token-of-prometheus"
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scrape(app: FastAPI, **headers: str) -> Series:
    async with open_client(app) as client:
        response = await client.get("http://test/metrics", headers=headers)
    assert response.status_code == 200, response.text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def total(series: Series, name: str, /, **labels: str) -> float:
    return sum(
        value
        for (each, given), value in series.items()
        if each == name and labels.items() <= {*given}
    )


HTTP = "http_server_request_duration_seconds_count"


class TestRequests:
    async def test_are_counted_by_route_and_outcome(
        self, app: FastAPI, client: Client, user: Client
    ) -> None:
        """Mutant: do not count answers that no endpoint gave."""
        route = "/api/v1/notes/{note_id}"
        before = await scrape(app)
        await user.post("/notes", json={"title": "Groceries"})
        await client.get("/notes/01a22bdf-39bd-75c5-bdf4-4b9399528cd9")
        after = await scrape(app)

        def more(**labels: str) -> float:
            return total(after, HTTP, **labels) - total(before, HTTP, **labels)

        assert more(http_route="/api/v1/notes", http_response_status_code="201") == 1
        assert more(http_route=route, error_type="unauthorized") == 1
        assert more() == 2  # a scrape does not count

    async def test_of_unknown_paths_and_methods_add_no_series(
        self, app: FastAPI, client: Client
    ) -> None:
        """Mutants: label by path instead of route; label by an unknown method."""

        async def ask(number: int) -> None:
            await client.request("GET", f"/absent-{number}")
            await client.request(f"M{number}", "/notes")

        await ask(0)
        before = len(await scrape(app))
        for number in range(1, 200):
            await ask(number)
        series = await scrape(app)

        assert len(series) == before
        assert total(series, HTTP, http_route="__unmatched__") >= 200
        assert total(series, HTTP, http_request_method="_OTHER") >= 200

    async def test_in_progress_are_counted_without_the_scrape(
        self, app: FastAPI, client: Client
    ) -> None:
        """Mutant: do not count a request when it begins."""
        reads, ends = asyncio.Event(), asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            reads.set()
            await ends.wait()
            yield b"{}"

        sending = asyncio.create_task(client.post("/auth/login", content=body()))
        await reads.wait()
        during = total(await scrape(app), "http_server_active_requests")
        ends.set()
        await sending

        assert during == 1
        assert total(await scrape(app), "http_server_active_requests") == 0


async def test_metrics_show_what_the_service_waits_for(
    app: FastAPI, user: Client, backend: str
) -> None:
    await user.post("/notes", json={"title": "a"}, headers={"Idempotency-Key": "k1"})
    await user.post("/auth/password/forgot", json={"email": user.email})
    series = await scrape(app)

    assert total(series, "db_client_operation_duration_seconds_count") > 0
    assert total(series, "db_client_connection_wait_time_seconds_count") > 0
    assert total(series, "db_client_connection_use_time_seconds_count") > 0
    assert total(series, "password_hash_duration_seconds_count") > 0
    if backend == "postgresql":
        assert total(series, "db_client_connection_create_time_seconds_count") > 0
    assert total(series, "db_client_connection_max", pool="writer") > 0
    assert total(series, "db_client_connection_count", state="idle") > 0
    assert total(series, "dependency_up", name="database") == 1
    assert total(series, "db_schema_revision_match") == 1
    assert total(series, "idempotency_total", outcome="stored") > 0
    assert total(series, "outbox_pending") == 1
    assert total(series, "ratelimit_decisions_total", decision="allowed") > 0
    assert total(series, "process_resident_memory_bytes") > 10**6
    assert total(series, "app_info") >= 1
    assert ("circuit_state", frozenset({("name", "redis")})) in series
    assert ("log_dropped_total", frozenset[tuple[str, str]]()) in series


class TestAccess:
    @pytest.fixture
    def overrides(self) -> dict[str, Any]:
        return {"metrics_token": TOKEN}

    async def test_needs_the_token(self, app: FastAPI) -> None:
        """Mutant: check the token only if the client sends one."""
        assert await scrape(app, Authorization=f"Bearer {TOKEN}")
        async with open_client(app) as client:
            for given in ({}, {"Authorization": "Bearer another-one-of-theirs"}):
                answer = await client.get("http://test/metrics", headers=given)
                assert answer.status_code == 401

    @pytest.mark.parametrize("environment", ["staging", "production"])
    async def test_without_a_token_exists_only_in_development(
        self, settings: Settings, environment: str
    ) -> None:
        closed = {"environment": environment, "metrics_token": None}
        app = create_application(settings.model_copy(update=closed))
        async with app.router.lifespan_context(app), open_client(app) as client:
            answer = await client.get("http://test/metrics")
        assert answer.status_code == 404
