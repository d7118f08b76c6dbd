"""Alembic runs this file, on the connection that `app.db.migrate` has made."""

from fnmatch import fnmatchcase
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.db import models  # noqa: F401 - fills the metadata
from app.db.base import Base

UNMAPPED = [
    pattern
    for table in Base.metadata.tables.values()
    for pattern in table.info.get("unmapped", ())
]


def render_item(kind: str, item: Any, _: AutogenContext) -> str | Literal[False]:
    """Write our own types into a revision as the types that the database stores."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl_instance!r}"
    return False


def compare_type(
    _: Any, __: Any, ___: Any, inspected: TypeEngine[Any], wanted: TypeEngine[Any]
) -> bool | None:
    # On SQLite our types store integers and datetimes, so only the affinity counts.
    if isinstance(wanted, TypeDecorator):
        return inspected._type_affinity is not wanted.impl_instance._type_affinity
    return None


def include_object(item: Any, name: str | None, kind: str, _: bool, __: Any) -> bool:
    """Ignore objects that only a migration knows. Models list them in `info`."""
    path = f"{name}" if kind == "table" else f"{item.table.name}.{name}"
    return not any(fnmatchcase(path, pattern) for pattern in UNMAPPED)


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    render_item=render_item,
    compare_type=compare_type,
    include_object=include_object,
    compare_server_default=True,
    on_version_apply=context.config.attributes["on_version_apply"],
)
with context.begin_transaction():
    context.run_migrations()
