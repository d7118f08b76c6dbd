"""`make release` refuses a commit whose files do not name the version."""

import subprocess
from pathlib import Path

import pytest

from testbed.service import ROOT

SCRIPT = str(ROOT / "requirements/release.sh")
FILES = {
    "pyproject.toml": '[project]\nversion = "1.2.3"\n',
    "CHANGELOG.md": "## [Unreleased]\n\n## [1.2.3] - 2026-01-02\n",
    "deploy/helm/shop/Chart.yaml": "appVersion: 1.2.3\n",
    "deploy/compose.yaml": "image: shop:${VERSION:-1.2.3}\n",
    "docs/deploying.md": "VERSION=1.2.3\n",
}
SAMPLES = [name for name in FILES if "/" in name]


def git(directory: Path, *arguments: str) -> None:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    line = ["git", *who, *arguments]
    subprocess.run(line, cwd=directory, check=True, capture_output=True)


def release(directory: Path, version: str = "1.2.3") -> tuple[int, str]:
    ended = subprocess.run(
        ["sh", SCRIPT, version],
        cwd=directory,
        text=True,
        capture_output=True,
        check=False,
    )
    return ended.returncode, ended.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    return tmp_path


def test_accepts_a_commit_whose_files_name_the_version(checkout: Path) -> None:
    assert release(checkout) == (0, "")


@pytest.mark.parametrize(
    ("version", "said"),
    [("", "such as 1.2.3"), ("v1.2.3", "such as 1.2.3"), ("1.2.4", "pyproject.toml")],
)
def test_refuses_another_version(checkout: Path, version: str, said: str) -> None:
    code, message = release(checkout, version)

    assert (code, said in message) == (1, True)


@pytest.mark.parametrize("name", SAMPLES)
def test_refuses_a_sample_of_another_version(checkout: Path, name: str) -> None:
    """Mutant: compare only the version of pyproject.toml."""
    (checkout / name).write_text(FILES[name].replace("1.2.3", "1.2.30"))
    git(checkout, "commit", "--quiet", "--all", "--message", "second")

    code, message = release(checkout)

    assert (code, f"{name} names another version" in message) == (1, True)


def test_accepts_a_project_without_samples(checkout: Path) -> None:
    """Mutant: require a chart, which a copy could have deleted."""
    git(checkout, "rm", "--quiet", *SAMPLES)
    git(checkout, "commit", "--quiet", "--message", "second")

    assert release(checkout) == (0, "")


def test_refuses_a_version_that_the_changelog_does_not_describe(checkout: Path) -> None:
    """Mutant: compare only the version of pyproject.toml."""
    (checkout / "CHANGELOG.md").write_text("## [Unreleased]\n")
    git(checkout, "commit", "--quiet", "--all", "--message", "second")

    code, message = release(checkout)

    assert (code, "no heading: ## [1.2.3]" in message) == (1, True)


def test_refuses_files_that_are_not_committed(checkout: Path) -> None:
    """Mutant: build from the files of the directory, even if they are not committed."""
    (checkout / "new.py").touch()

    code, message = release(checkout)

    assert (code, "commit them first" in message) == (1, True)


def test_refuses_a_version_that_is_tagged(checkout: Path) -> None:
    git(checkout, "tag", "v1.2.3")

    code, message = release(checkout)

    assert (code, "exists already" in message) == (1, True)
