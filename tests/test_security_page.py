"""`docs/security.md`: each claim names a test, and the inventory has every key."""

import ast
import re
from pathlib import Path
from typing import get_args

import pytest

from app.core.security import Info

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "security.md"
ROWS = [line for line in PAGE.read_text().splitlines() if "::" in line]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_every_claim_names_a_test(row: str) -> None:
    names = re.findall(r"`(tests/[\w/]+\.py)((?:::\w+)+)`", row)
    assert names
    for file, path in names:
        scope: list[ast.stmt] = ast.parse((ROOT / file).read_text()).body
        for name in path.split("::")[1:]:
            [found] = [each for each in scope if getattr(each, "name", "") == name]
            scope = getattr(found, "body", [])


def test_the_inventory_names_every_key() -> None:
    """Mutant: derive a key for a purpose that the page does not name."""
    table = PAGE.read_text().partition("**Inventory.**")[2].partition("\n\n\n")[0]
    derived = re.findall(r"^\| `([a-z-]+-v\d+)` \|", table, re.MULTILINE)

    assert sorted(derived) == sorted(get_args(Info))
