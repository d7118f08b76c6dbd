"""The short form of the drill. `python -m drills.resource` runs the long form."""

from pathlib import Path

import pytest

from drills.resource import drill
from testbed.service import ROOT


@pytest.mark.skipif(
    not (ROOT / "app/services/products").exists()
    or (ROOT / "app/services/suppliers.py").exists(),
    reason="Products were removed, or suppliers added.",
)
def test_removes_products_and_adds_suppliers(tmp_path: Path, postgres_url: str) -> None:
    # Mutants: products named outside the registries; a downgrade that leaves a table
    # or a trigger; a registry that the command omits.
    said = drill(tmp_path, postgres_url, short=True)

    assert any(line.startswith("deleted app/services/products/") for line in said)
    assert any(line.startswith("app/services/suppliers.py: ") for line in said)
