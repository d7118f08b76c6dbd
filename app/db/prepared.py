"""Prepares statements of SQLAlchemy for asyncpg, and makes classes for their rows."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Any, ClassVar

import asyncpg
from sqlalchemy import JSON, Executable, Numeric
from sqlalchemy.engine import Dialect

Converters = Mapping[str, Callable[[Any], Any]]


class Record(asyncpg.Record):  # type: ignore[misc]
    """A row whose values are also attributes, as in the rows of SQLAlchemy.

    An attribute has the type that the model declares, for example an enum.
    `record[name]` is the value that asyncpg returns, for example the text of the enum.
    """

    __slots__ = ()
    column_names: ClassVar[tuple[str, ...]] = ()

    def __getattr__(self, name: str) -> Any:
        """Find a column by its name. Only statements in text need this."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def record_class(columns: Sequence[Any], dialect: Dialect) -> type[Record]:
    """Make the class of a statement's rows, with an attribute for each column."""
    members: dict[str, Any] = {"__slots__": ()}
    for number, column in enumerate(columns):
        convert = converter(column.type, dialect)
        members[column.keyname] = property(
            itemgetter(number) if convert is None else converted(number, convert)
        )
    members["column_names"] = tuple(column.keyname for column in columns)
    return type("Record", (Record,), members)


class GivenValues(dict[str, Any]):
    """Replaces SQLAlchemy's context for defaults that depend on other columns."""

    def get_current_parameters(self) -> dict[str, Any]:
        return self


class Prepared:
    """A statement in the form of the driver: its text, and its values in order."""

    def __init__(
        self, dialect: Dialect, statement: Executable, given: Sequence[str]
    ) -> None:
        """`given` names the values. For an INSERT it decides which columns are set."""
        compiled: Any = statement.compile(  # type: ignore[attr-defined]
            dialect=dialect,
            column_keys=given if statement.is_insert else None,
            compile_kwargs={"render_postcompile": True},
        )
        self.sql = str(compiled)
        self._names: tuple[str, ...] = tuple(compiled.positiontup or ())
        self._defaults: dict[str, Any] = compiled.params
        self._processors: Converters = compiled._bind_processors
        self._made = {
            **{column.key: column.default.arg for column in compiled.insert_prefetch},
            **{column.key: column.onupdate.arg for column in compiled.update_prefetch},
        }
        self.record = record_class(compiled._result_columns, dialect)

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        if self._made:
            values = {**values}
            for name, value in self._made.items():
                known = GivenValues(values)
                values[name] = value(known) if callable(value) else value
        arguments = []
        for name in self._names:
            value = values[name] if name in values else self._defaults[name]
            process = self._processors.get(name)
            arguments.append(value if process is None else process(value))
        return arguments


def converted(number: int, convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda record: convert(record[number])


def converter(kind: Any, dialect: Dialect) -> Callable[[Any], Any] | None:
    """Return the function that SQLAlchemy applies to values of asyncpg, or None."""
    if isinstance(kind, JSON):
        return dialect._json_deserializer
    if isinstance(kind, Numeric) and kind.asdecimal:
        return to_decimal
    return kind._cached_result_processor(dialect, None)  # type: ignore[no-any-return]


def to_decimal(value: str | Decimal | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def read_numerics_as_text(connection: Any, _: Any) -> None:
    """Read NUMERIC as text, for answers in JSON. Attributes are still `Decimal`."""
    connection.run_async(
        lambda driver: driver.set_type_codec(
            "numeric", schema="pg_catalog", encoder=str, decoder=str
        )
    )
