"""The resource drill in short; `python -m drills.resource` is the long form."""

from pathlib import Path

import pytest

from drills.resource import ROOT, drill


@pytest.mark.skipif(
    not (ROOT / "app/services/products").exists(), reason="Products were taken out."
)
def test_products_come_out_and_suppliers_go_in(
    tmp_path: Path, postgres_url: str
) -> None:
    # Mutants: a registry that imports products by a line of its own; a table or a
    # trigger that the last revision leaves behind; a page that forgets a registry.
    change = drill(tmp_path, postgres_url, short=True)

    assert any(path.startswith("app/services/products/") for path in change.deleted)
    assert "app/services/suppliers.py" in change.added
