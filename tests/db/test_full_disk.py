"""The database has no space left: changes get a 503, and reads go on."""

from uuid import uuid4

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from structlog.testing import capture_logs

from app.db.session import transaction
from tests.support.people import Client

FULL = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE SQLSTATE '{state}'; END $$
"""
TRIGGER = "CREATE TRIGGER fail BEFORE INSERT ON notes EXECUTE FUNCTION fail()"


async def fill(app: FastAPI, backend: str, state: str) -> None:
    """Let SQLite add no page to its file, and PostgreSQL no row to `notes`."""
    postgresql = (FULL.format(state=state), TRIGGER)
    statements = ("PRAGMA max_page_count = 1",) if backend == "sqlite" else postgresql
    async with transaction(app.state.shared.database) as session:
        for each in statements:
            await session.execute(text(each))


@pytest.mark.parametrize("state", ["53100", "53200"])
async def test_changes_get_503_and_reads_go_on(
    app: FastAPI, user: Client, backend: str, state: str
) -> None:
    """Mutants: forget one of the SQLSTATEs; answer with the code `overloaded`."""
    await fill(app, backend, state)

    with capture_logs() as logs:
        refused = await user.post("/notes", json={"title": str(uuid4())})
        while refused.status_code == 201:  # the last pages of SQLite still have room
            refused = await user.post("/notes", json={"title": str(uuid4())})
    read = await user.get("/notes")

    assert refused.status_code == 503, refused.text
    assert refused.json()["code"] == "dependency_unavailable"
    assert refused.json()["detail"] == "The database has no space left."
    assert int(refused.headers["retry-after"]) >= 1
    assert read.status_code == 200
    [failed] = [line for line in logs if line["event"] == "http.failed"]
    assert failed.get("sqlstate") == (None if backend == "sqlite" else state)
