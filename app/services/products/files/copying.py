"""The queries with which PostgreSQL writes product files.

The files have the same bytes as those that Python writes.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Column

from app.db.base import Base
from app.db.models.product import Product
from app.schemas.product import ProductRead
from app.services.products.files.rows import TO_DEFUSE

PRODUCT = Base.metadata.tables[Product.__tablename__].c
FIELDS = tuple(ProductRead.model_fields)
COLUMNS = [PRODUCT[name] for name in FIELDS]
# A line of JSON has none of these characters, so COPY in CSV mode writes it unchanged.
AS_IT_IS = {"delimiter": "\x01", "quote": "\x02", "escape": "\x02"}
# PostgreSQL ends a row with LF, but RFC 4180 demands CRLF. The query therefore adds a
# quoted column `x` to each row, and the export replaces `ROW_END` by CRLF. Only the end
# of a row has these bytes, because each quote inside a cell is doubled.
ROW_END = b',"x"\n'


def _text(column: Column[Any]) -> str:
    """Return SQL for a column as text. A time is written in UTC, as RFC 3339 says."""
    if column.type.python_type is datetime:
        # Python writes microseconds as six digits, and leaves them out if they are 0.
        microseconds = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
        time = f"to_char({column.name} AT TIME ZONE 'UTC', '{microseconds}')"
        return f"replace({time}, '.000000', '')"
    return column.name


def _json(column: Column[Any]) -> str:
    kind = column.type.python_type
    if issubclass(kind, str):
        value = f"to_json({column.name})::text"
    else:
        value = _text(column) if kind is int else f"'\"' || {_text(column)} || '\"'"
    return f"coalesce({value}, 'null')" if column.nullable else value


def _cell(column: Column[Any]) -> str:
    if column.type.python_type is not str:  # only a text can be a formula
        return _text(column)
    defused = f"regexp_replace({column.name}, '{_PATTERN}', '''', 'g')"
    # Write an empty text as an empty cell, not as "".
    return f"CASE WHEN suspect THEN {defused} ELSE nullif({column.name}, '') END"


_PATTERN = TO_DEFUSE.replace("'", "''")
_MEMBERS = " || ',' || ".join(
    f"'\"{column.name}\":' || {_json(column)}" for column in COLUMNS
)
_LINE = f"'{{' || {_MEMBERS} || '}}'".replace("' || '", "")  # one text instead of two
_CELLS = ", ".join(map(_cell, COLUMNS))
_TEXTS = ", ".join(each.name for each in COLUMNS if each.type.python_type is str)
QUERIES = {
    "ndjson": f"SELECT {_LINE} FROM products ORDER BY id",  # noqa: S608
    # First test all texts of a row together, because few rows have a text that a
    # spreadsheet would run as a formula.
    "csv": f"""
        SELECT {_CELLS}, 'x' AS x FROM (
            SELECT {", ".join(FIELDS)},
                concat_ws(',', {_TEXTS}) ~ '{_PATTERN}' AS suspect
            FROM products ORDER BY id OFFSET 0
        ) AS product ORDER BY id
    """,  # noqa: S608
}
OPTIONS: dict[str, dict[str, Any]] = {
    "ndjson": AS_IT_IS,
    "csv": {"force_quote": ["x"]},
}
