"""The commands that migrate, on both databases."""

import json
import re
from pathlib import Path

import pytest
from sqlalchemy import text

from app.core.config import Settings
from app.db.revisions import RELEASED, Revisions
from app.db.session import Database, transaction
from testbed.service import command, make_environment
from tests.support.revisions import of_the_release_alone

pytestmark = pytest.mark.usefixtures("without_notes")

NEWEST, BEFORE, *_ = Revisions(RELEASED).newest_first()
TITLES = Revisions(RELEASED).titles


@pytest.fixture
def environment(tmp_path: Path, settings: Settings) -> dict[str, str]:
    return make_environment(tmp_path, DATABASE_URL=settings.database_url)


@of_the_release_alone
async def test_names_the_revision_of_the_database(
    environment: dict[str, str],
) -> None:
    """Mutant: print the given target, such as `head` or `-1`, instead of a revision."""
    mistyped = command("db", "downgrade", "--nope", environment=environment)
    stepped = command("db", "downgrade", "-1", environment=environment)
    history = command("db", "history", "--json", environment=environment)
    unlike = command("db", "check", "--json", environment=environment)
    upgraded = command("db", "upgrade", environment=environment)
    current = command("db", "current", environment=environment)
    alike = command("db", "check", "--json", environment=environment)
    emptied = command("db", "downgrade", "base", environment=environment)
    none = command("db", "current", "--json", environment=environment)

    assert (mistyped.returncode, mistyped.stdout) == (2, "")
    assert stepped.stdout == (
        f"Took back {NEWEST} ({TITLES[NEWEST]}).\nThe database is at {BEFORE}.\n"
    ), stepped.stderr
    rows = [json.loads(line) for line in history.stdout.splitlines()]
    assert [(row["revision"], row["applied"]) for row in rows][:2] == [
        (NEWEST, False),
        (BEFORE, True),
    ]
    assert upgraded.stdout == (
        f"Upgraded {NEWEST} ({TITLES[NEWEST]}).\nThe database is at {NEWEST}.\n"
    )
    assert current.stdout == f"{NEWEST} ({TITLES[NEWEST]}) - the newest\n"
    assert unlike.returncode == 1
    assert "not up to date" in json.loads(unlike.stdout)["message"]
    assert (alike.returncode, json.loads(alike.stdout)["ok"]) == (0, True)
    assert emptied.stdout.endswith("\nThe database is at base.\n"), emptied.stderr
    assert json.loads(none.stdout) == {"revisions": [], "newest": [NEWEST]}


async def test_an_older_release_starts_on_the_schema_of_a_newer_one(
    environment: dict[str, str], settings: Settings
) -> None:
    """Mutants: fail on the unknown revision; take the newer revision back."""
    async with Database(settings) as database, transaction(database) as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    upgraded = command("db", "upgrade", environment=environment)
    current = command("db", "current", environment=environment)
    history = command("db", "history", environment=environment)
    downgraded = command("db", "downgrade", "-1", environment=environment)

    assert (upgraded.returncode, upgraded.stdout) == (
        0,
        "The database is at 9999.\n9999 is of a newer release. Nothing to upgrade.\n",
    ), upgraded.stderr
    assert current.stdout == "9999 (of a newer release)\n"
    assert history.stdout.splitlines()[0] == "9999  applied  of a newer release"
    assert "pending" not in history.stdout
    assert downgraded.returncode == 1
    assert re.fullmatch(
        r"Error: The database is at 9999, a revision of a newer release\. .*\n",
        downgraded.stderr,
    )
