import re
from contextlib import nullcontext
from typing import Annotated

import pytest
from pydantic import AfterValidator, Field, ValidationError

from app.schemas.base import MANY_LINES, Line, RequestBody, lines


class Note(RequestBody):
    title: Line | None = None
    text: Annotated[str, Field(json_schema_extra=MANY_LINES), AfterValidator(lines)] = (
        ""
    )


LONGEST = "a" * 200


@pytest.mark.parametrize("title", ["abc", " a ", "a", LONGEST, None])
def test_text_is_trimmed(title: str | None) -> None:
    assert Note(title=title).title == (title and title.strip())


@pytest.mark.parametrize(
    ("title", "code"),
    [
        ("", "string_too_short"),
        (" ", "string_too_short"),
        ("\u3000\x1c", "string_too_short"),
        (LONGEST + "b", "string_too_long"),
        (LONGEST + " ", "string_too_long"),
        ("\u0958" * 101, "string_too_long"),  # each becomes two letters when composed
    ],
)
def test_text_is_measured_before_and_after_trimming(title: str, code: str) -> None:
    """Mutant: measure only after trimming, which the JSON Schema does not describe."""
    with pytest.raises(ValidationError) as refusal:
        Note(title=title)

    [fault] = refusal.value.errors()
    assert (fault["loc"], fault["type"]) == (("title",), code)


@pytest.mark.parametrize("mark", "\x1b\n\t\x01\x7f\x85\u2028\u202a\u202e\u2066\u2069")
def test_text_that_would_control_a_terminal_is_refused(mark: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        Note(title=f"a{mark}b")

    [fault] = refusal.value.errors()
    assert fault["type"] == "control_character"


@pytest.mark.parametrize(
    ("title", "accepted"),
    [
        ("a b", True),
        ("\ta\n", True),
        (" ", False),
        ("a\tb", False),
        ("a\u202eb", False),
    ],
)
def test_the_json_schema_describes_the_same_text(title: str, accepted: bool) -> None:
    """Mutant: let the pattern refuse only blank text."""
    pattern = Note.model_json_schema()["properties"]["title"]["anyOf"][0]["pattern"]

    assert bool(re.search(pattern, title)) == accepted
    with nullcontext() if accepted else pytest.raises(ValidationError):
        Note(title=title)


def test_text_is_composed() -> None:
    """Mutant: store letters and accents separately, as some systems type them."""
    assert Note(title="re\u0301sume\u0301").title == "r\xe9sum\xe9"


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("", ""),
        (" a\tb\nc \n", "a\tb\nc"),
        ("a\r\n\r\nb", "a\n\nb"),
        *(
            (f"a{mark}b", None)
            for mark in "\x1b\x01\x07\x0b\r\x7f\x85\u2028\u202e\u2066"
        ),
        ("a\n\r", None),
    ],
)
def test_text_of_many_lines_controls_no_terminal(text: str, stored: str | None) -> None:
    """Mutants: do not check; refuse tabs, or the line breaks of Windows."""
    pattern = Note.model_json_schema()["properties"]["text"]["pattern"]

    assert bool(re.search(pattern, text)) == (stored is not None)
    if stored is None:
        with pytest.raises(ValidationError, match="no control characters"):
            Note(text=text)
    else:
        assert Note(text=text).text == stored
