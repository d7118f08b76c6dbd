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


def test_text_is_composed() -> None:
    """Mutant: store letters and accents separately, as some systems type them."""
    assert Note(title="re\u0301sume\u0301").title == "r\xe9sum\xe9"
