"""`remove feature`, as far as tests can check it without removing anything."""

from contextlib import suppress
from pathlib import Path

import pytest

from drills.features import traces
from linting.revisions import lint
from scaffold import features, removing, stems
from scaffold.refusal import Refused
from scaffold.repository import tracked
from testbed.service import ROOT, command, make_environment


@pytest.mark.parametrize("name", features.present(ROOT))
def test_no_other_code_uses_a_feature(name: str) -> None:
    """`python -m drills.features` really removes the feature.

    Mutants: import the feature in other code; write a registry that the feature owns,
    such as the list of sections of the account page, after deleting this registry.
    """
    removal = removing.plan(ROOT, features.find(ROOT, name))

    assert not {*map(str, removal.files)} & {*removal.registries}
    has_table = any(file.match("app/db/models/*.py") for file in removal.files)
    assert (removal.revision is not None) is has_table
    routed = any(line.startswith("app/api/v1/router.py") for line in removal.lines)
    assert routed is has_table


def test_the_revision_that_drops_the_tables_passes_the_linter(tmp_path: Path) -> None:
    """`make check` runs the linter.

    Mutant: let the revision name no rule that it breaks, or only the rule for tables.
    """
    removable = [feature.stem for feature in features.present(ROOT).values()]
    with suppress(Refused):  # a copy can be without products
        removable.append(stems.find(ROOT, "products"))
    revisions = []
    for stem in removable:
        removal = removing.plan(ROOT, stem)
        if removal.revision is None:  # the test above knows which features have a table
            continue
        revisions.append(tmp_path / f"{stem.plural}.py")
        revisions[-1].write_text(removal.revision[1])

    assert lint(revisions) == []


@pytest.mark.parametrize("name", features.present(ROOT))
def test_only_its_files_and_the_registries_name_a_feature(name: str) -> None:
    """Mutant: name a feature in a file that `remove` does not change."""
    stem = features.find(ROOT, name)
    others = [
        file
        for file in tracked(ROOT)
        if not stem.owns(file) and file.as_posix() not in stems.REGISTRIES
    ]

    assert traces(ROOT, stem, others) == []


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_an_unknown_name_prints_what_can_be_removed(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    environment = make_environment(tmp_path)

    ended = command("remove", "feature", "tea", *options, environment=environment)

    assert ended.returncode == 2
    assert ended.stderr.startswith("Error: There is no feature tea to remove. There")
    assert ended.stderr.count("\n") == 1
    assert all(name in ended.stderr for name in features.present(ROOT))


def test_a_page_loses_the_examples_of_what_is_removed() -> None:
    """Mutants: keep the heading of an example; remove blocks that only name it."""
    command = "## Next\n\n```sh\nremove tea\n```\n\nMore.\n"
    tour = "## Five minutes\n\n<!-- tour of teas -->\n```sh\ncurl /teas\n```\n\n"
    client = 'Like this:\n\n```ts title="clients/teas/a.mts"\nGET("/teas");\n```\n\n'

    left, openings = stems.without_blocks(
        tour + client + command, stems.Stem(("tea", "teas"))
    )

    assert left == f"Like this:\n\n{command}"
    assert openings == ["<!-- tour of teas -->", '```ts title="clients/teas/a.mts"']
