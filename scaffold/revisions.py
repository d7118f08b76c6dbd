"""The revisions of a checkout."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

from app.db.revisions import Revisions

RELEASED = "app/db/migrations/versions"
OWN = "app/db/migrations/own/versions"


def heads(root: Path) -> tuple[str, str | None]:
    """The newest revision of the release, and the newest of your own, if any."""
    [released] = Revisions(root / RELEASED).heads
    return released, next(iter(Revisions(root / OWN).heads), None)


def new_name() -> str:
    """Return a name as `app.db.migrate` does. Its random digits make it unique."""
    return f"{datetime.now(UTC):%Y%m%d}_{secrets.token_hex(4)}"


def header(name: str, after: str | None, released: str) -> str:
    return (
        f'revision = "{name}"\n'
        f"down_revision = {after and repr(after)}\n"
        f"branch_labels = {None if after else ('own',)!r}\n"
        f'depends_on = "{released}"\n'
    ).replace("'", '"')
