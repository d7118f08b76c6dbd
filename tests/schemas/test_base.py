from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from app.schemas.base import RequestBody


class Note(RequestBody):
    title: Annotated[str, Field(min_length=1, max_length=3)] | None = None


@pytest.mark.parametrize("title", ["abc", " a ", "a", None])
def test_text_is_trimmed(title: str | None) -> None:
    assert Note(title=title).title == (title and title.strip())


@pytest.mark.parametrize("title", ["", " ", "abcd", " abc", "abc "])
def test_text_is_measured_before_and_after(title: str) -> None:
    """Mutant: to measure after trimming only accepts what the document refuses."""
    with pytest.raises(ValidationError):
        Note(title=title)
