"""The names of audit events fit into their columns."""

from typing import Any

import pytest

from app.services.audit import refuse_long_names


@pytest.mark.parametrize("name", ["a" * 16 + ".b", "auth." + "b" * 59])
def test_accepts_the_longest_names(name: Any) -> None:
    refuse_long_names([name])


@pytest.mark.parametrize(
    ("name", "refused"), [("a" * 17 + ".b", "a" * 17), ("auth." + "b" * 60,) * 2]
)
def test_refuses_a_name_that_postgresql_could_not_store(
    name: Any, refused: str
) -> None:
    """Mutant: do not check, so that PostgreSQL refuses the first such event."""
    with pytest.raises(ValueError, match=f"{name}: shorten `{refused}` to "):
        refuse_long_names([name])
