"""Turns the database errors that a retry can solve into answers with `Retry-After`."""

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.core.errors import DatabaseUnavailable, Overloaded
from app.core.metrics import connection_timeouts
from app.db import postgresql

NO_SPACE = "The database has no space left."


class availability:  # noqa: N801 - used like a function
    """Raise `Unavailable` instead of the errors that a retry can solve.

    A class costs less than `contextmanager`.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, PoolTimeout):
            connection_timeouts.inc()
            raise Overloaded from error
        if isinstance(error, DBAPIError):
            if error.connection_invalidated:
                raise DatabaseUnavailable from error
            state, said = postgresql.sqlstate(error), str(error.orig)
            if state in postgresql.EXHAUSTED or "disk is full" in said:
                raise DatabaseUnavailable(NO_SPACE) from error
            if state in postgresql.TRANSIENT or "database is locked" in said:
                raise Overloaded from error
