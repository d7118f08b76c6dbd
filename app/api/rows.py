"""Writes rows of the database as JSON, without making a model of each row.

Rows need no validation, because they come from typed columns. FastAPI validates all
other results of endpoints. Only the fields of the response model are written.
"""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter, itemgetter
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

import orjson
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sqlalchemy import Row

from app.db.prepared import Record
from app.schemas.page import Page
from app.services.listing import RowPage

# Pydantic and orjson write values of these types in the same way. A decimal becomes
# text in both.
PLAIN = {str, int, bool, NoneType, date, datetime, Decimal, UUID}


def row_writer(model: Any) -> Callable[[Any], bytes | None] | None:
    """Return a function that writes a row, or a page of rows, as the model would.

    The function returns None for an object that is not a row. If the model has a
    serialiser of its own, or a field that is not plain, return None instead of a
    function.
    """
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return None
    is_page = issubclass(model, Page)
    [row] = get_args(model.model_fields["items"].annotation) if is_page else [model]
    if not is_plain(row):
        return None
    names = tuple(row.model_fields)
    of_record, of_row = itemgetter(*names), attrgetter(*names)

    def members(row: Row[Any] | Record) -> dict[str, Any]:
        # From slow to fast: attributes of a row, items of a record, the record itself.
        if not isinstance(row, Record):
            values = of_row(row)
        else:
            values = row if row.column_names == names else of_record(row)
        return dict(zip(names, values, strict=True))

    def write_page(page: Any) -> bytes | None:
        if not isinstance(page, RowPage):
            return None
        items = [members(row) for row in page.items]
        return dump({"items": items, "next_cursor": page.next_cursor})

    def write_row(row: Any) -> bytes | None:
        return dump(members(row)) if isinstance(row, (Record, Row)) else None

    return write_page if is_page else write_row


def is_plain(model: type[BaseModel]) -> bool:
    decorators = model.__pydantic_decorators__
    return (
        len(model.model_fields) > 1  # otherwise a getter returns no tuple
        and model.model_config.keys() <= {"from_attributes"}
        and not decorators.field_serializers
        and not decorators.model_serializers
        and not decorators.computed_fields
        and all(map(is_plain_field, model.model_fields.values()))
    )


def is_plain_field(field: FieldInfo) -> bool:
    """Allow plain types and unions of them, without alias, default or metadata."""
    kinds = get_args(field.annotation) or (field.annotation,)
    if get_origin(field.annotation) not in {None, Literal, Union, UnionType}:
        return False  # such as a list
    if get_origin(field.annotation) is Literal:
        kinds = tuple({type(value) for value in kinds})
    return (
        field.is_required()
        and not (field.alias or field.serialization_alias or field.exclude)
        and not field.metadata
        and all(
            kind in PLAIN
            or get_origin(kind) is Literal
            or (isinstance(kind, type) and issubclass(kind, StrEnum))
            for kind in kinds
        )
    )


def dump(value: Any) -> bytes:
    return orjson.dumps(value, str, orjson.OPT_UTC_Z)
