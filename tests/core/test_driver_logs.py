"""The log at the level debug, with both databases."""

from collections.abc import Iterator

import pytest

from app.core.logging import configure_logging, writer
from tests.support.people import Client


@pytest.fixture(autouse=True)
def _configured_afterwards() -> Iterator[None]:
    yield
    configure_logging(level="info", json=True)


async def test_shows_no_parameter_of_a_statement(
    user: Client, capfd: pytest.CaptureFixture[str]
) -> None:
    """Mutant: let the driver of SQLite log its statements."""
    email = (await user.get("/users/me")).json()["email"]
    configure_logging(level="debug", json=True)  # to the captured stdout

    asked = await user.post("/auth/password/forgot", json={"email": email})
    written = await user.post("/notes", json={"title": "Groceries-4711"})

    assert (asked.status_code, written.status_code) == (202, 201)
    writer.drain(60)
    log = capfd.readouterr().out
    assert '"event":"http.request"' in log
    for value in ("app_vt_", "app_rt_", "$argon2id$", email, "Groceries-4711"):
        assert value not in log
