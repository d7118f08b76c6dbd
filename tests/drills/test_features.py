"""The short form of the drill for one feature; `make drill` takes out each."""

from pathlib import Path

import pytest

from drills.features import drill
from scaffold.features import present
from testbed.service import ROOT


@pytest.mark.skipif("totp" not in present(ROOT), reason="The feature was removed.")
def test_takes_out_authenticator_apps(tmp_path: Path, postgres_url: str) -> None:
    # Mutants: name the factor outside the registries; leave it to its users.
    said = drill(tmp_path, postgres_url, "totp", short=True)

    assert any(line.startswith("deleted app/services/accounts/totp/") for line in said)
