"""Whether the schema of a database is new enough for the code."""

from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.core.config import Settings
from app.db import migrate
from app.db.revisions import MIGRATIONS, RELEASED, Revisions, SchemaBehind


def is_new_enough(revisions: Revisions, *in_database: str) -> bool:
    try:
        revisions.check(set(in_database))
    except SchemaBehind:
        return False
    return True


def test_finds_the_revisions_that_alembic_finds() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    directory = ScriptDirectory.from_config(config)
    revisions = Revisions(RELEASED)

    assert revisions.heads == set(directory.get_heads())
    assert revisions.known == {each.revision for each in directory.walk_revisions()}


def test_an_older_schema_is_not_new_enough() -> None:
    revisions = Revisions(RELEASED)
    [head] = revisions.heads

    assert is_new_enough(revisions, head)
    assert is_new_enough(revisions, "of_a_newer_release")
    assert not is_new_enough(revisions, "0001")
    assert not is_new_enough(revisions)


@pytest.mark.usefixtures("without_notes")
async def test_needs_own_revisions_too(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutant: ignore `depends_on`, so that the newest release is a head as well."""
    monkeypatch.setattr(migrate, "OWN", tmp_path)
    [release] = Revisions(RELEASED).heads
    await migrate.write_revision(settings, "Nothing", empty=True)
    revisions = Revisions(RELEASED, tmp_path)
    [own] = revisions.heads

    assert own != release
    assert is_new_enough(revisions, own)
    assert not is_new_enough(revisions, release)
