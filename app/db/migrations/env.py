"""Run by Alembic: the history on the connection that `app.db.migrate` made."""

import re
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.db import models  # noqa: F401 - fills the metadata
from app.db.base import Base


def render_item(kind: str, item: Any, _: AutogenContext) -> str | Literal[False]:
    """Write our own types into revisions as what the database stores."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl_instance!r}"
    return False


def compare_type(
    _: Any, __: Any, ___: Any, inspected: TypeEngine[Any], wanted: TypeEngine[Any]
) -> bool | None:
    # On SQLite our types store integers and instants: what counts is the affinity.
    if isinstance(wanted, TypeDecorator):
        return inspected._type_affinity is not wanted.impl_instance._type_affinity
    return None


def include_object(
    _: Any, name: str | None, __: str, reflected: bool, compare_to: Any
) -> bool:
    """Leave out what search adds: no model has it, see `services.products.search`."""
    unmapped = reflected and compare_to is None
    return not (
        unmapped and re.fullmatch(r"search(_title)?|\w*products_search\w*", name or "")
    )


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    render_item=render_item,
    compare_type=compare_type,
    include_object=include_object,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
