"""Tells which kind of constraint a change has broken, if several are possible."""

from sqlalchemy.exc import IntegrityError

from app.db.postgresql import sqlstate

FOREIGN_KEY_VIOLATION = "23503"


def is_reference(error: IntegrityError) -> bool:
    """Whether a row refers to another row that does not exist."""
    text = str(error.orig)
    return sqlstate(error) == FOREIGN_KEY_VIOLATION or text.startswith("FOREIGN KEY")
