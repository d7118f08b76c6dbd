"""Adds a row to any table, for tests of rows that refer to it."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from sqlalchemy import Column, Enum, Table, insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.db import models  # noqa: F401 - fills the metadata
from app.db.base import Base, utc_now
from app.db.session import transaction

VALUES: dict[type[Any], Any] = {
    bool: True,
    int: 1,
    Decimal: Decimal(1),
    object: {},  # JSON
    date: date(2026, 1, 31),
}


async def insert_row(app: FastAPI, table: str) -> UUID:
    """Insert a row with the columns that must have a value, and return its id."""
    async with transaction(app.state.shared.database) as session:
        return await _insert(session, Base.metadata.tables[table])


async def _insert(session: AsyncSession, table: Table) -> UUID:
    values = {
        column.name: await _value(session, column)
        for column in table.columns
        if not column.nullable
    }
    await session.execute(insert(table), values)
    row_id: UUID = values["id"]
    return row_id


async def _value(session: AsyncSession, column: Column[Any]) -> Any:
    for key in column.foreign_keys:
        return await _insert(session, key.column.table)
    kind = column.type.python_type
    if isinstance(column.type, Enum):
        return column.type.enums[0]
    if kind is UUID:
        return uuid7()
    if kind is datetime:
        return utc_now()
    if kind is str:  # unique, and short enough
        return uuid7().hex[-(getattr(column.type, "length", None) or 32) :]
    return VALUES[kind]
