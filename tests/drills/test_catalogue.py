"""The list of failure modes: its mutants still change the code that they name."""

import pytest

from drills import catalogue
from drills.catalogue import Drill, Mutant
from testbed.service import ROOT

DRILLS = catalogue.read()
MUTANTS = [(each, mutant) for each in DRILLS for mutant in each.mutant]


@pytest.mark.parametrize(
    "mutant", [pytest.param(m, id=f"{d.name}: {m.name}") for d, m in MUTANTS]
)
def test_every_mutant_changes_the_code(mutant: Mutant) -> None:
    """Mutant: rename code that a mutant replaces, so that the mutant has no effect."""
    _, before, after = mutant.patched(ROOT)

    assert before != after


@pytest.mark.parametrize("drill", DRILLS, ids=lambda each: each.name)
def test_every_drill_exists_and_has_a_mutant(drill: Drill) -> None:
    """Mutant: move a test, or a program, that is the drill of a promise."""
    assert drill.mutant
    assert bool(drill.program) != bool(drill.tests)
    for test in drill.tests:
        path, *names = test.split("::")
        text = (ROOT / path).read_text()
        assert all(f"class {name}" in text or f"def {name}" in text for name in names)
    module = drill.program.partition(" ")[0].replace(".", "/")
    assert not module or (ROOT / f"{module}.py").exists()


def test_names_are_unique() -> None:
    assert len({each.name for each in DRILLS}) == len(DRILLS)
