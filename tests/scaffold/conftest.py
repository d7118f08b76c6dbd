from pathlib import Path

import pytest

from testbed.checkouts import make_checkout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The present files, committed: commands refuse a repository with changes."""
    return make_checkout(tmp_path_factory.mktemp("checkout"))
