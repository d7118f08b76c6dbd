"""`new` makes a repository with another name, in which the checks pass."""

from pathlib import Path

import pytest

from scaffold import upstream
from scaffold.features import FEATURES, present
from scaffold.repository import git
from testbed.checkouts import environment_of, run_in
from testbed.service import ROOT

TITLE = 'O\'Neil "Q" Shöp'
SLUG = "o-neil-shop"
WITHOUT = [*present(ROOT)][:1]
QUICK = (
    "tests/test_docs.py",
    "tests/reference/test_pages.py",
    "tests/deploy/test_pages.py",
)


def new(checkout: Path, home: Path, *line: str) -> tuple[int, str]:
    environment = environment_of(checkout, home)
    ended = run_in(checkout, "-m", "app", "new", *line, environment=environment)
    return ended.returncode, ended.stdout


@pytest.fixture(scope="module")
def copy(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("new")
    line = (str(home / "shop"), "--title", TITLE, "--slug", SLUG)
    without = [part for name in WITHOUT for part in ("--without", name)]
    code, said = new(checkout, home, *line, *without)
    assert code == 0, said
    return home / "shop"


def test_commits_a_repository_that_knows_its_release(
    checkout: Path, copy: Path
) -> None:
    assert git(copy, "status", "--porcelain") == ""
    assert git(copy, "rev-list", "--count", "HEAD") == "1"
    assert upstream.read(copy).commit == git(checkout, "rev-parse", "HEAD")
    assert (copy / "LICENSE").read_text() == (checkout / "LICENSE").read_text()
    assert (copy / "README.md").read_text().startswith(f"# {TITLE}\n")


def test_remembers_the_features_that_it_was_made_without(copy: Path) -> None:
    """Mutant: accept only names of resources after `--without`."""
    stems = [[*FEATURES[name].stem.names] for name in WITHOUT]

    assert upstream.read(copy).removed == stems
    assert not {*WITHOUT} & {*present(copy)}


def test_passes_its_own_checks(copy: Path, tmp_path: Path) -> None:
    """Mutant: keep the old name in a generated file, or in a test."""
    environment = environment_of(copy, tmp_path)

    for line in (
        ("ruff", "format", "--check", "--no-cache", "."),
        ("ruff", "check", "--no-cache", "."),
        ("reference", "--check"),
        ("pytest", "-q", "-p", "no:cacheprovider", *QUICK),
    ):
        ended = run_in(copy, "-m", *line, environment=environment)
        assert ended.returncode == 0, ended.stdout


def test_writes_services_with_hyphens_and_databases_with_underscores(
    copy: Path,
) -> None:
    """Mutant: use hyphens for both, so that PostgreSQL needs quotes around the name."""
    assert (copy / "deploy/helm/o-neil-shop/Chart.yaml").exists()
    assert (copy / "deploy/systemd/o-neil-shop.service").exists()
    page = (copy / "docs/deploying.md").read_text()
    assert "CREATE ROLE o_neil_shop " in page
    assert "systemctl enable --now o-neil-shop.socket" in page


def test_refuses_a_directory_that_is_in_use(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "mine").touch()

    said = new(checkout, tmp_path, str(tmp_path / "shop"), "--title", "Shop")

    assert said == (
        2,
        f"Error: {tmp_path}/shop exists. Choose a new or an empty directory.\n",
    )
    assert [each.name for each in (tmp_path / "shop").iterdir()] == ["mine"]


def test_refuses_a_checkout_with_changes(checkout: Path, tmp_path: Path) -> None:
    """Otherwise the copy would differ from its recorded release."""
    (checkout / "change").touch()
    try:
        said = new(checkout, tmp_path, str(tmp_path / "shop"), "--title", "Shop")
    finally:
        (checkout / "change").unlink()

    assert said == (2, f"Error: {checkout} has changes. Commit them first.\n")
    assert not (tmp_path / "shop").exists()
