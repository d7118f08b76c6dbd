"""`update` merges a release into a copy, and loses no edit of the copy."""

from pathlib import Path

import pytest

from drills.update import (
    CODEMODS,
    DEPENDENCY,
    LATER,
    MINE,
    MOVED,
    NEXT,
    PAGE,
    ROLES,
    SERVICE,
    VERSION,
    edit_copy,
    make_releases,
)
from scaffold import codemods, copying, locks, merge_lines, updating, upstream
from scaffold.refusal import Refused
from scaffold.repository import commit_all, git
from testbed.checkouts import make_checkout


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_checkout(tmp_path / "source")


@pytest.fixture
def copy(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy with edits. After it was made, there were two releases.

    No package index can be reached, so uv cannot resolve the dependency of the copy.
    """
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setattr(copying, "ROOT", source)
    shop = tmp_path / "shop"
    copying.new(shop, "Acme Shop", None)
    known = upstream.read(shop)
    known.removed.append(["product", "products"])
    known.write(shop)
    edit_copy(shop)
    make_releases(source, revoked="audit:read")
    return shop


def test_keeps_every_edit_and_reports_what_needs_a_decision(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mutants: apply codemods only to one side; keep all roles of both sides.

    More mutants: copy the files of the release over those of the copy; skip the
    codemods of the first release.
    """
    main = git(copy, "rev-parse", "HEAD")

    known, to = updating.fetch(copy, None)
    code = updating.main(str(copy), to)
    report = capsys.readouterr().out

    assert known.release != to
    assert code == 1
    conflicts = [row for row in report.splitlines() if row.startswith("CONFLICT")]
    assert [row.split()[1] for row in conflicts] == [f"{PAGE}:"]
    assert "Ours." in (copy / PAGE).read_text()
    assert "OURS = 1" in (copy / MOVED[2]).read_text()
    assert not any((copy / each).exists() for each in MOVED[:2])
    mine = (copy / MINE).read_text()
    assert "from app.services.tidying import OURS, sweeping\n" in mine
    assert "begin = sweeping\n" in mine
    assert DEPENDENCY in (copy / "pyproject.toml").read_text()
    assert "To do: `make lock`: " in report
    roles = (copy / ROLES).read_text()
    assert "x:read" in roles
    assert "audit:read" not in roles
    assert (copy / SERVICE).read_text().startswith("# release\n")
    assert not (copy / "app/services/products/added.py").exists()
    assert (
        'name = "acme-shop"\nversion = "0.1.0"' in (copy / "pyproject.toml").read_text()
    )
    assert upstream.read(copy).release == f"v{LATER}"
    assert "- Changed for copies." in report
    assert "Stays removed: app/services/products/added.py" in report
    assert git(copy, "rev-parse", "HEAD~1") == main, "the codemods are their own commit"
    assert git(copy, "branch", "--show-current") == f"upstream-v{LATER}"
    commit_all(copy, "Keep the page")
    with pytest.raises(Refused, match=f"at v{LATER} already"):
        updating.fetch(copy, None)


def test_refuses_before_it_changes_anything(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mutant: let the release move a file to a path that the copy uses already."""
    before = git(copy, "rev-parse", "HEAD")
    (copy / "change").touch()
    with pytest.raises(Refused, match="has changes"):
        updating.fetch(copy, None)
    (copy / "change").unlink()
    (copy / MOVED[2]).touch()
    commit_all(copy, "Taken")
    _, to = updating.fetch(copy, None)
    assert updating.main(str(copy), to) == 2
    assert f"Rename your {MOVED[2]}." in capsys.readouterr().err

    assert git(copy, "status", "--porcelain") == ""
    assert git(copy, "rev-parse", "HEAD~1") == before
    assert git(copy, "branch", "--show-current") != f"upstream-{to}"


def test_a_codemod_that_leaves_an_old_name_fails(tmp_path: Path) -> None:
    """An old name would look like an edit of the copy. Mutant: accept it."""
    (tmp_path / "a.py").write_text("import x.old\n")
    steps = codemods.Codemods({"x/old.py": "x/old/old.py"})

    with pytest.raises(RuntimeError, match="old names"):
        steps.apply(tmp_path, [Path("a.py")])


def test_a_merged_registry_has_the_additions_and_removals_of_both_sides() -> None:
    hunk = (
        "<<<<<<< yours\n    a,\n    b,\n    c,\n"
        "||||||| before\n    a,\n    b,\n=======\n    a,\n    d,\n>>>>>>> release\n"
    )

    merged = merge_lines.merge(hunk, ROLES)

    assert merged == "    a,\n    c,\n    d,\n"
    code = hunk.replace("    a,", "    a = 1")
    assert merge_lines.merge(code, "app/main.py") == code


def test_locks_have_the_pins_of_the_release_and_own_packages() -> None:
    """Mutants: keep one pin for each package; take all pins of the release."""
    own, forked = lock("mine==3", "kept==2"), lock("f==1 ; a < 3", "f==2 ; a >= 3")
    before = lock("a==1", "gone==1", "kept==1") + forked
    release = lock("a==2", "kept==1") + forked

    merged = locks.merged(lock("a==1", "gone==1") + own + forked, before, release)

    assert merged == lock("a==2") + forked + lock("kept==2", "mine==3")


def lock(*pins: str) -> str:
    return "".join(f"{pin} \\\n    --hash={pin[0]}\n" for pin in pins)


@pytest.mark.parametrize("start", [VERSION, NEXT], ids=["two", "one"])
def test_codemods_of_several_releases_are_one_step(tmp_path: Path, start: str) -> None:
    """Mutants: use only the newest release; keep the names of the old module.

    A file that only the copy has keeps its name, even if a release moved a file with
    this name.
    """
    old, new = tmp_path / "old", tmp_path / "new"
    for release, text in CODEMODS.items():
        for tree in (old, new) if release == start else (new,):
            file = tree / f"scaffold/codemods/{release}.toml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    is_first = start == VERSION
    (old / "app/services").mkdir(parents=True)
    (old / MOVED[0 if is_first else 1]).touch()

    steps = codemods.between(old, new)

    name = "purging" if is_first else "cleaning"
    assert steps.moves == {MOVED[0 if is_first else 1]: MOVED[2]}
    assert steps.names == {f"app.services.tidying:{name}": "sweeping"}
