"""JSON of rows that is written without a model, compared with that of the model."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin
from uuid import UUID

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    BeforeValidator,
    Field,
    TypeAdapter,
    computed_field,
    field_serializer,
)
from sqlalchemy.engine import result_tuple

from app.api.rows import row_writer
from app.main import create_application
from app.schemas.base import Representation
from app.schemas.page import Page
from app.services.listing import RowPage
from tests.conftest import make_settings
from tests.notes.schemas import NoteRead
from tests.notes.served import ROUTERS_WITH_NOTES

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(st.characters(exclude_categories=["Cs"])),
    int: st.integers(-(2**31), 2**31),
    bool: st.booleans(),
    NoneType: st.none(),
    UUID: st.uuids(),
    datetime: st.integers(0, 10**15).map(
        lambda microseconds: EPOCH + timedelta(microseconds=microseconds)
    ),
    date: st.dates(),
    Decimal: st.decimals("0", "999999999999.99", places=2),
}


def models() -> dict[str, Any]:
    """Return the models of rows and pages in the answers of the API."""
    app = create_application(make_settings(), ROUTERS_WITH_NOTES)
    found = {}
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        model = route.response_model if isinstance(route, APIRoute) else None
        if isinstance(model, type) and issubclass(model, Representation):
            found[model.__name__] = model
    return found


MODELS = models()


PLAIN = sorted(name for name, model in MODELS.items() if row_writer(model))


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    if get_origin(annotation) is Literal:
        return st.sampled_from(get_args(annotation))
    if kinds := get_args(annotation):
        return st.one_of(*map(values_of, kinds))
    return VALUES[annotation]


def rows_of(model: Any) -> st.SearchStrategy[Any]:
    """Generate rows that have one column more than the model."""
    fields = model.model_fields
    row = result_tuple([*fields, "secret"])
    columns = [values_of(field.annotation) for field in fields.values()]
    return st.tuples(*columns, st.just("secret")).map(row)


@given(st.data())
@pytest.mark.parametrize("name", PLAIN)
def test_a_row_writer_writes_the_same_bytes_as_the_model(
    name: str, data: st.DataObject
) -> None:
    """Mutants: write all columns; write times or amounts in another form."""
    model = MODELS[name]
    if issubclass(model, Page):
        [item] = get_args(model.model_fields["items"].annotation)
        rows = data.draw(st.lists(rows_of(item), max_size=3))
        result: Any = RowPage(rows, data.draw(st.none() | st.text(max_size=3)))
    else:
        result = data.draw(rows_of(model))
    write = row_writer(model)
    assert write is not None

    adapter = TypeAdapter(model)
    expected = adapter.dump_json(adapter.validate_python(result, from_attributes=True))
    assert write(result) == expected


def test_row_writers_exist_for_the_models_of_busy_routes() -> None:
    """Mutant: add a field for which `row_writer` has no fast way."""
    assert {"NoteRead", "UserRead", "NotePage", "UserPage"} <= {*PLAIN}
    assert "AuditEventPage" not in PLAIN  # `detail` is any object


class Serialised(Representation):
    id: UUID
    price: Decimal

    @field_serializer("price")
    def cents(self, price: Decimal) -> int:
        return int(price * 100)


class Computed(Representation):
    id: UUID
    price: Decimal

    @computed_field  # type: ignore[prop-decorator]
    @property
    def twice(self) -> Decimal:
        return self.price * 2


class Aliased(Representation):
    id: UUID
    price: Decimal = Field(serialization_alias="cost")


class Converted(Representation):
    id: UUID
    price: Annotated[Decimal, BeforeValidator(abs)]


class Unusual(Representation):
    id: UUID
    price: float


@pytest.mark.parametrize("model", [Serialised, Computed, Aliased, Converted, Unusual])
def test_there_is_no_row_writer_for_a_model_that_is_not_plain(model: Any) -> None:
    assert row_writer(model) is None
    assert row_writer(Page[model]) is None


def test_a_row_writer_accepts_only_rows() -> None:
    """Mutant: write every object that an endpoint returns."""
    write, write_page = row_writer(NoteRead), row_writer(Page[NoteRead])
    assert write is not None
    assert write_page is not None

    assert write({"id": 1}) is None
    assert write_page(Page[NoteRead](items=[], next_cursor=None)) is None
