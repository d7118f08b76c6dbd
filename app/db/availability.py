"""The errors of databases that mean: try again later."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.core.errors import DatabaseUnavailable, Overloaded
from app.db import postgresql


@contextmanager
def availability() -> Iterator[None]:
    """Raise `Unavailable` in place of the errors that a retry can solve."""
    try:
        yield
    except PoolTimeout as error:
        raise Overloaded from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable from error
        transient = postgresql.sqlstate(error) in postgresql.TRANSIENT
        if transient or "database is locked" in str(error.orig):
            raise Overloaded from error
        raise
