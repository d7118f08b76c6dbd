import re
from contextlib import nullcontext

import pytest
from pydantic import ValidationError

from app.schemas.base import Line, RequestBody


class Note(RequestBody):
    title: Line | None = None


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
    """Mutant: measure only after trimming, which the document does not describe."""
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
def test_the_document_describes_the_same_text(title: str, accepted: bool) -> None:
    """Mutant: a pattern that knows only blank text."""
    pattern = Note.model_json_schema()["properties"]["title"]["anyOf"][0]["pattern"]

    assert bool(re.search(pattern, title)) == accepted
    with nullcontext() if accepted else pytest.raises(ValidationError):
        Note(title=title)


def test_text_is_composed() -> None:
    """Mutant: store letters and accents separately, as some systems type them."""
    assert Note(title="re\u0301sume\u0301").title == "r\xe9sum\xe9"
