"""The page of the last requests, which exists only in development."""

import pytest
from fastapi import FastAPI

from app.core.config import Settings
from app.core.recent import KEPT
from app.main import create_application
from tests.reference.test_drills import router as faults
from tests.support.people import Client, open_client

PAGE = "http://test/dev/requests"


async def test_shows_the_statements_and_mails_of_requests(
    user: Client, client: Client
) -> None:
    """Mutants: leave out the statements of reads by key; show the values of statements.

    Mutant: leave out the number of rows where SQLite knows it only after the read.
    """
    await user.post("/auth/password/forgot", json={"email": user.email})
    await user.get("/users/me")
    await user.get("/auth/sessions")
    page = (await client.get(PAGE)).text

    assert "/api/v1/users/me" in page
    assert "FROM users" in page
    newest = page.split("<li id=")[1]
    assert newest.count("<dt>SQL ") == newest.count(", rows 1</dt>") > 1
    assert "reset_password waits" in page
    assert user.email not in page


async def test_keeps_only_the_last_requests(app: FastAPI, client: Client) -> None:
    """Mutant: keep every request."""
    for number in range(KEPT + 1):
        await client.get(f"/absent-{number:03}")
    page = (await client.get(PAGE)).text

    assert page.count("<details>") == KEPT
    assert "/absent-000" not in page


async def test_shows_what_a_failed_request_logged(client: Client, user: Client) -> None:
    await client.get("/users/me", headers={"Authorization": "Bearer not-a-token"})
    page = (await client.get(PAGE)).text

    assert "auth.token.refused" in page
    assert "not-a-token" not in page


async def test_shows_the_traceback_of_a_defect(settings: Settings) -> None:
    """Mutant: show that there is an exception, but not which one."""
    app = create_application(settings, [faults])
    async with app.router.lifespan_context(app), open_client(app) as client:
        failed = await client.get("/faults/failing")
        page = (await client.get(PAGE)).text

    assert failed.status_code == 500
    assert "exc_info" not in page
    assert "<pre>Traceback" in page
    assert "in fail\n" in page


@pytest.mark.parametrize("environment", ["staging", "production"])
async def test_does_not_exist_outside_development(
    settings: Settings, environment: str
) -> None:
    """Mutant: add the page everywhere but in production."""
    app = create_application(settings.model_copy(update={"environment": environment}))
    async with app.router.lifespan_context(app), open_client(app) as client:
        assert (await client.get(PAGE)).status_code == 404
