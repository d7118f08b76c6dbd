"""Describes an expected failure of a command in one line."""

from sqlalchemy.exc import DBAPIError

from app.core.errors import AppError, DatabaseUnavailable, explain
from app.db.backups import BackupFailed
from app.db.copying import CopyFailed
from app.db.migrate import MigrationFailed
from app.db.postgresql import sqlstate

UNDEFINED = {"42P01", "42703"}  # a table, a column


def sentence(error: Exception) -> str | None:
    """Describe a failure in one line. Return None for a defect of the code."""
    if isinstance(error, DatabaseUnavailable):
        return f"{error.detail} {explain(error).get('message', '')}".strip()
    if isinstance(error, AppError):
        faults = getattr(error, "errors", [])
        said = [error.detail, *(fault["message"] for fault in faults)]
        return " ".join(dict.fromkeys(said))  # each sentence only once
    if isinstance(error, DBAPIError):
        message = explain(error).get("message", type(error).__name__)
        if sqlstate(error) in UNDEFINED or message.startswith("no such "):
            return f"{message}. Run `db upgrade` to update the schema."
        return f"The database refused the change: {message}"
    if isinstance(error, MigrationFailed | BackupFailed | CopyFailed | OSError):
        return str(error)
    return None
