"""Reports to Sentry say where an error happened, and contain nothing secret."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import Request
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy import text

from app.api.authorization import public
from app.api.dependencies import StateDep
from app.api.observers import make_observers
from app.api.routes import api_router
from app.core.config import Settings
from app.db.models.outbox_mail import OutboxMail
from app.main import create_application
from app.services.mail.transports import DeliveryFailed
from testbed.collector import Collector, run_collector

SECRET = "planted-0123456789"
router = api_router("/faults", tags=["faults"])


@router.post("/value", openapi_extra=public("a test"))
async def fail(request: Request) -> None:
    """Fail with a secret in a variable, in the message and in the cause."""
    body = (await request.body()).decode()
    try:
        raise KeyError(body)
    except KeyError as error:
        raise ValueError(f"{body} is wrong") from error


@router.get("/statement", openapi_extra=public("a test"))
async def fail_in_sql(state: StateDep) -> None:
    """Fail in a statement that contains a secret."""
    async with state.database.writer.connect() as connection:
        await connection.execute(text(f"SELECT '{SECRET}' FROM absent"))


@pytest.fixture(autouse=True)
def patience_for_sentry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer than in production, because a busy machine can be slow."""
    monkeypatch.setattr("app.core.error_reports.CLOSE_SECONDS", 60.0)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with run_collector() as collector:
        yield collector


@pytest.fixture
def overrides(collector: Collector) -> dict[str, Any]:
    return {"sentry_dsn": collector.dsn}


async def test_reports_have_the_place_and_no_value(
    settings: Settings, collector: Collector
) -> None:
    """Mutants: leave out `before_send`; set `include_local_variables`; keep `value`."""
    app = create_application(settings, [router])
    transport = ASGITransport(app, raise_app_exceptions=False)
    client = AsyncClient(transport=transport, base_url="http://test/api/v1")
    async with app.router.lifespan_context(app), client:
        sent = {"X-Token": SECRET, "Cookie": SECRET, "X-Request-ID": "a-request-id"}
        url = f"/faults/value?token={SECRET}"
        answer = await client.post(url, content=SECRET, headers=sent)
        await client.get("/faults/statement")
        await client.get("/faults/absent")
    value, statement = collector.errors

    assert answer.status_code == 500
    assert SECRET.encode() not in collector.bytes
    assert value["tags"] == {
        "method": "POST",
        "route": "/api/v1/faults/value",
        "status_code": "500",
        "request_id": "a-request-id",
    }
    kinds = [each["type"] for each in value["exception"]["values"]]
    assert kinds == ["KeyError", "ValueError"]
    frame = value["exception"]["values"][-1]["stacktrace"]["frames"][-1]
    assert (frame["module"], frame["function"]) == (__name__, "fail")
    assert value["environment"] == "development"
    assert "server_name" not in value
    assert statement["tags"]["route"] == "/api/v1/faults/statement"


async def test_reports_of_mails_are_about_errors_and_not_about_outages(
    settings: Settings, collector: Collector
) -> None:
    """Mutant: report every failed attempt."""
    observers = make_observers(settings)
    mail = OutboxMail(template="reset_password", recipient=f"{SECRET}@example.org")
    async with observers.sending():
        for error in (None, DeliveryFailed(), TimeoutError(), KeyError(SECRET)):
            observers.see_delivery(mail, 0.1, error)
    [report] = collector.errors

    assert report["tags"]["template"] == "reset_password"
    assert SECRET.encode() not in collector.bytes
