"""The short resource drill; `python -m drills.resource` is the long form."""

from pathlib import Path

import pytest

from drills.resource import ROOT, drill


@pytest.mark.skipif(
    not (ROOT / "app/services/products").exists(), reason="Products were removed."
)
def test_removes_products_and_adds_suppliers(tmp_path: Path, postgres_url: str) -> None:
    # Mutants: products named outside the registries; a downgrade that leaves a table
    # or a trigger; a page that omits a registry.
    change = drill(tmp_path, postgres_url, short=True)

    assert any(path.startswith("app/services/products/") for path in change.deleted)
    assert "app/services/suppliers.py" in change.added
