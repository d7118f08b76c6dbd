"""Product files on the command line when PostgreSQL ends the connection."""

from asyncio import create_task, to_thread
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from app.services.products.importing import BATCH
from testbed.fault_proxy import Tripwire, open_line
from testbed.postgres import KILL_OTHERS, execute
from testbed.service import command, make_environment
from tests.api.products.files import rows

PROGRESS = ("Reading: ", "Storing ")


@pytest.fixture
async def line(postgres_database_url: str) -> AsyncGenerator[Tripwire]:
    async with open_line(Tripwire(make_url(postgres_database_url).port or 0)) as line:
        yield line
        line.cut.set()


@pytest.fixture
def environment(
    tmp_path: Path, line: Tripwire, postgres_database_url: str
) -> dict[str, str]:
    url = make_url(postgres_database_url).set(port=line.port)
    (tmp_path / "large.ndjson").write_bytes(rows(BATCH, "S", description="x" * 5000))
    return make_environment(
        tmp_path, DATABASE_URL=url.render_as_string(hide_password=False)
    )


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (("import", "large.ndjson"), b"COPY "),
        (("import", "large.ndjson"), b"COMMIT;"),  # does not match ON COMMIT DROP
        (("export",), b"COPY (SELECT"),
    ],
)
async def test_a_lost_database_is_reported_in_one_line(
    line: Tripwire,
    environment: dict[str, str],
    postgres_database_url: str,
    arguments: tuple[str, ...],
    phrase: bytes,
) -> None:
    """Mutants: do not handle the driver's errors; keep writing after the error."""
    line.phrase = phrase
    run = create_task(
        to_thread(command, "products", *arguments, environment=environment)
    )
    await line.reached.wait()
    await execute(postgres_database_url, KILL_OTHERS)
    ended = await run

    said = [line for line in ended.stderr.splitlines() if not line.startswith(PROGRESS)]
    assert (ended.returncode, ended.stdout) == (1, "")
    assert len(said) == 1, ended.stderr
    assert said[0].startswith("Error: The database cannot be reached. ")
