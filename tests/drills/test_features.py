"""The features drill for one feature, with fewer tests than `drills.features` runs."""

from pathlib import Path

import pytest

from drills.features import take_out
from scaffold.features import present
from testbed.service import ROOT


@pytest.mark.skipif("totp" not in present(ROOT), reason="The feature was removed.")
def test_takes_out_authenticator_apps(tmp_path: Path, postgres_url: str) -> None:
    """Mutants: name the factor outside the registries; keep it in the rows of users."""
    copy, said = take_out(tmp_path, postgres_url, "totp")

    assert any(line.startswith("deleted app/services/accounts/totp/") for line in said)
    copy.run(".venv/bin/ruff", "check", ".")
    copy.test("-n0", "tests/test_security_page.py", "tests/api/test_openapi.py")
