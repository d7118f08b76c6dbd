"""Copies the database, restores a copy, and checks that a copy can be restored."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp

from app.core.settings.database import DatabaseSettings

Counts = dict[str, int]  # rows by table


class BackupFailed(Exception):
    """A backup or a restore failed. The message tells the operator why, in one line."""


class NotEmpty(BackupFailed):
    def __init__(self) -> None:
        super().__init__(
            "The database already has tables. Restore into a new database, or replace "
            "the content of this one with --force."
        )


async def back_up(settings: DatabaseSettings, file: Path) -> None:
    """Write a consistent copy, also while the service changes the database."""
    from app.db.backups import postgresql, sqlite

    with whole(file) as part:
        if settings.on_sqlite:
            sqlite.back_up(settings, part)
        else:
            await postgresql.back_up(settings, part)


async def restore(settings: DatabaseSettings, file: Path, *, force: bool) -> Counts:
    """Fill the database from a copy, in one transaction.

    Raises:
        NotEmpty: The database has tables, and `force` is false.
    """
    from app.db.backups import postgresql, sqlite

    if settings.on_sqlite:
        return sqlite.restore(settings, file, force=force)
    return await postgresql.restore(settings, file, force=force)


async def verify(settings: DatabaseSettings, file: Path) -> Counts:
    """Restore a copy into a temporary database, and compare the numbers of rows.

    Raises:
        BackupFailed: The copy cannot be restored, or rows are missing.
    """
    from app.db.backups import postgresql, sqlite

    if settings.on_sqlite:
        return sqlite.verify(file)
    return await postgresql.verify(settings, file)


def compare(in_file: Counts, restored: Counts) -> Counts:
    if in_file != restored:
        tables = sorted(
            name
            for name in in_file.keys() | restored.keys()
            if in_file.get(name) != restored.get(name)
        )
        raise BackupFailed(
            f"These tables got more or fewer rows than the file has: {tables}."
        )
    return restored


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """Yield a temporary file, and rename it to `file` when it is complete.

    Only its owner can read the file. An earlier backup of this name stays until the
    rename.
    """
    handle, name = mkstemp(prefix=f".{file.name}.", dir=file.parent)
    part = Path(name)
    try:
        yield part
        os.fsync(handle)
        part.replace(file)
        directory = os.open(file.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
    finally:
        os.close(handle)
        part.unlink(missing_ok=True)
