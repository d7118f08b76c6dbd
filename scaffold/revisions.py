"""The revisions of a checkout."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

from app.db.revisions import Revisions

RELEASED = "app/db/migrations/versions"
OWN = "app/db/migrations/own/versions"


def heads(root: Path) -> tuple[str, str | None]:
    """The newest revision of the release, and your own if there is one."""
    [released] = Revisions(root / RELEASED).heads
    return released, next(iter(Revisions(root / OWN).heads), None)


def new_name() -> str:
    """Return a name as `app.db.migrate` does, with random digits: no two are equal."""
    return f"{datetime.now(UTC):%Y%m%d}_{secrets.token_hex(4)}"


def header(name: str, after: str | None, released: str) -> str:
    return (
        f'revision = "{name}"\n'
        f"down_revision = {after and repr(after)}\n"
        f"branch_labels = {None if after else ('own',)!r}\n"
        f'depends_on = "{released}"\n'
    ).replace("'", '"')
