"""The cost of a request and the imports of the service do not grow much.

`bench/figures.json` has the figures. `python -m bench.ratchet --write` renews them.
"""

from collections import Counter
from pathlib import Path

import pytest

from bench import data, ratchet, startup
from bench.programs import make_environment

FIGURES = ratchet.committed()

# With another Python, the ratio of the application to the raw program differs.
pytestmark = pytest.mark.skipif(
    FIGURES["python"] != ratchet.PYTHON,
    reason=f"The figures were measured with Python {FIGURES['python']}.",
)


@pytest.fixture
def environment(postgres_database_url: str) -> dict[str, str]:
    return make_environment(postgres_database_url)


def test_no_operation_costs_15_percent_more_cpu_than_committed(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Mutant: let a middleware burn 20 % of the CPU time of a request."""
    data.prepare(environment)

    assert not ratchet.grown(environment, tmp_path)


def test_the_service_imports_hardly_more_than_committed(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Mutant: import `schemathesis`, or another package, at the top of `app.main`."""
    committed = FIGURES["modules"]
    modules = startup.imports(tmp_path, environment).modules

    assert modules.keys() <= committed.keys()
    most = ratchet.MODULES_GROWTH * sum(committed.values())
    assert sum(modules.values()) <= most, modules - Counter(committed)
