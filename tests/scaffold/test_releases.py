"""A release lists the files that it moves, because copies cannot find them out."""

from itertools import pairwise
from pathlib import Path

import pytest

from scaffold import upstream
from scaffold.releases import moves_without_codemod, tags
from scaffold.repository import ROOT, commit_all, git

OLD, NEW = "app/old.py", "app/new.py"
CODEMOD = f'[moves]\n"{OLD}" = "{NEW}"\n'


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository that moves its only module after a release."""
    (tmp_path / "app").mkdir()
    (tmp_path / OLD).write_text("".join(f"LINE_{n} = {n}\n" for n in range(20)))
    (tmp_path / "scaffold/codemods").mkdir(parents=True)
    git(tmp_path, "init", "--quiet")
    commit_all(tmp_path, "First")
    git(tmp_path, "tag", "v0.1.0")
    git(tmp_path, "mv", OLD, NEW)
    return tmp_path


def test_a_move_without_a_codemod_is_found(repository: Path) -> None:
    assert [*moves_without_codemod(repository, "v0.1.0")] == [f"{OLD} -> {NEW}"]


def test_a_codemod_of_the_new_release_lists_its_moves(repository: Path) -> None:
    (repository / "scaffold/codemods/0.2.0.toml").write_text(CODEMOD)
    assert not [*moves_without_codemod(repository, "v0.1.0")]
    commit_all(repository, "Second")
    git(repository, "tag", "v0.2.0")
    assert tags(repository) == ["v0.1.0", "v0.2.0"]
    assert not [*moves_without_codemod(repository, "v0.1.0", "v0.2.0")]


@pytest.mark.skipif((ROOT / upstream.FILE).exists(), reason="A copy has no copies.")
def test_every_move_since_a_release_has_a_codemod() -> None:
    for before, after in pairwise([*tags(ROOT), ""]):
        assert not [*moves_without_codemod(ROOT, before, after)]
