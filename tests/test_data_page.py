"""Every column that holds personal data is on a page."""

import re
from pathlib import Path

import pytest
from sqlalchemy import Column

from app.db import models  # noqa: F401 - fills the metadata
from app.db.base import Base

PAGES = [page.read_text() for page in Path(__file__).parents[1].glob("docs/*.md")]
PERSONAL = re.compile(
    r"(^|_)(address|agent|birth\w*|city|email|ip|name|phone|recipient|street)(_|$)"
)
COLUMNS = [
    column
    for table in Base.metadata.sorted_tables
    for column in table.columns
    if PERSONAL.search(column.name)
]


@pytest.mark.parametrize("column", COLUMNS, ids=str)
def test_names_every_column_about_a_person(column: Column[object]) -> None:
    """If this fails, name the column in `docs/data.md` or on its resource's page."""
    assert any(f"`{column}`" in page for page in PAGES)
