from pathlib import Path

import pytest

from testbed.service import make_environment


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a command whose home and working directory are empty."""
    return make_environment(tmp_path)
