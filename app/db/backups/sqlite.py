"""Backups of SQLite. Its backup API reads one snapshot, even while others write."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from sqlalchemy import make_url

from app.core.settings.database import DatabaseSettings
from app.db.backups import BackupFailed, Counts, NotEmpty, compare
from app.db.sqlite import BUSY_TIMEOUT_SECONDS, lower

# The virtual table of the search stores its rows in ordinary tables. This query lists
# the ordinary tables.
TABLES = """
SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
AND sql NOT LIKE 'CREATE VIRTUAL %'
"""


def back_up(settings: DatabaseSettings, part: Path) -> None:
    with reading(file_of(settings)) as source, opened(part) as target:
        source.backup(target)
        # Otherwise the copy would be two files: the second is the WAL.
        target.execute("PRAGMA journal_mode = DELETE")


def restore(settings: DatabaseSettings, file: Path, *, force: bool) -> Counts:
    path = file_of(settings)
    with reading(file) as source:
        check(source)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        with opened(path) as target:
            if count(target) and not force:
                raise NotEmpty
            # SQLite locks the file: a running service sees either the old or the new
            # rows.
            source.backup(target)
            return count(target)


def verify(file: Path) -> Counts:
    with (
        reading(file) as source,
        TemporaryDirectory() as scratch,
        opened(Path(scratch, "restored.db")) as target,
    ):
        source.backup(target)
        check(target)
        return compare(count(source), count(target))


def check(connection: sqlite3.Connection) -> None:
    """Raise `BackupFailed` if a page, an index or a reference is damaged."""
    faults = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    faults = [] if faults == ["ok"] else faults
    faults += [str(row[0]) for row in connection.execute("PRAGMA foreign_key_check")]
    if faults:
        raise BackupFailed(f"The backup is damaged: {faults[0]}.")
    if not count(connection):
        raise BackupFailed("The backup has no tables.")


def count(connection: sqlite3.Connection) -> Counts:
    tables = [row[0] for row in connection.execute(TABLES)]
    counted = {}
    for name in sorted(tables):
        query = f'SELECT count(*) FROM "{name}"'  # noqa: S608 - a name of the schema
        [counted[name]] = connection.execute(query).fetchone()
    return counted


def file_of(settings: DatabaseSettings) -> Path:
    return Path(make_url(settings.database_url).database or "")


@contextmanager
def reading(file: Path) -> Iterator[sqlite3.Connection]:
    if not file.exists():
        raise BackupFailed(f"{file} does not exist.")
    with opened(f"file:{quote(str(file))}?mode=ro") as connection:
        yield connection


@contextmanager
def opened(file: Path | str) -> Iterator[sqlite3.Connection]:
    is_uri = isinstance(file, str)
    connecting = sqlite3.connect(file, timeout=BUSY_TIMEOUT_SECONDS, uri=is_uri)
    try:
        with closing(connecting) as connection:
            connection.create_function("lower", 1, lower, deterministic=True)
            yield connection
    except sqlite3.Error as error:
        raise BackupFailed(f"SQLite: {error}.") from error
