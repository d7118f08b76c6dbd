"""The name of a copy: any title that Python, TOML and Markdown can hold."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from scaffold.copying import copy_files
from scaffold.deploying import RELEASE
from scaffold.naming import Identity, choose, current, rename
from scaffold.refusal import Refused
from testbed.service import ROOT

NAMED = (
    "app/identity.py",
    "pyproject.toml",
    "openapi.json",
    ".env.example",
    "docs/settings.md",
)
TITLES = {
    "Acme Shop": "acme-shop",
    "Äcme 3000": "acme-3000",
    'O\'Neil "Q" Shop': "oneil-q-shop",
    'The "Shop"': "the-shop",
    "d'Or": "dor",
    "{x} %s & #1": "x-s-1",
    "A" * 40: "a" * 40,
}


def renamed(directory: Path, identity: Identity) -> Path:
    copy_files(ROOT, directory, [Path(name) for name in NAMED])
    rename(directory, identity)
    return directory


@pytest.mark.parametrize(("title", "slug"), TITLES.items())
def test_makes_the_slug_from_the_title(title: str, slug: str) -> None:
    assert choose(title, None, ROOT) == Identity(title, slug)


@pytest.mark.parametrize("title", [*TITLES, "日本の店", "Магазин"])
def test_writes_a_title_that_every_file_reads_back(tmp_path: Path, title: str) -> None:
    """Mutant: replace the name as text, so that a quote ends the literal."""
    new = Identity(title, "own-shop")

    root = renamed(tmp_path, new)

    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert (project["name"], project["version"]) == ("own-shop", "0.1.0")
    assert project["scripts"] == {"own-shop": "app.cli:main"}
    assert json.loads((root / "openapi.json").read_text())["info"]["title"] == title
    assert current(root) == new
    values: dict[str, str] = {}
    exec((root / "app/identity.py").read_text(), values)  # noqa: S102
    assert (values["NAME"], values["TITLE"]) == ("own-shop", title)


def test_gives_the_name_to_the_files_of_a_deployment(tmp_path: Path) -> None:
    """Mutant: keep the old name in a unit, in the chart or in a command of a page."""
    old = current(ROOT)
    own = [file for file in (ROOT / "deploy").rglob("*") if file.is_file()]
    pages = [ROOT / "docs/deploying.md", ROOT / "docs/scaling.md"]
    copy_files(ROOT, tmp_path, [file.relative_to(ROOT) for file in [*own, *pages]])

    root = renamed(tmp_path, Identity("Own Shop", "own-shop"))

    assert (root / "deploy/helm/own-shop/Chart.yaml").is_file()
    assert (root / "deploy/systemd/own-shop.service").is_file()
    for file in [
        *root.glob("deploy/**/*"),
        *(root / page.relative_to(ROOT) for page in pages),
    ]:
        assert old.slug not in file.name
        if file.is_file():
            assert old.slug not in file.read_text().lower(), file


def test_gives_the_first_version_to_the_samples(tmp_path: Path) -> None:
    """Mutant: keep the version of the release in the chart."""
    chart = Path("deploy/helm") / current(ROOT).slug / "Chart.yaml"
    files = [chart, Path("deploy/compose.yaml"), Path("docs/deploying.md")]
    copy_files(ROOT, tmp_path, files)
    for file in files:
        text = RELEASE.sub(r"\g<1>3.4.5", (tmp_path / file).read_text())
        assert "3.4.5" in text
        (tmp_path / file).write_text(text)

    renamed(tmp_path, current(ROOT))

    for file in files:
        text = (tmp_path / file).read_text()
        assert "3.4.5" not in text
        assert RELEASE.sub(r"\g<1>0.1.0", text) == text


def test_writes_titles_as_the_formatter_does(tmp_path: Path) -> None:
    for number, title in enumerate([*TITLES, "日本の店", "Магазин"]):
        renamed(tmp_path / str(number), Identity(title, "own-shop"))

    for line in (["format", "--check"], ["check"]):
        ruff = [sys.executable, "-m", "ruff", *line, "--no-cache", "."]
        ended = subprocess.run(ruff, cwd=tmp_path, capture_output=True, check=False)
        assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize(
    ("title", "slug", "reason"),
    [
        ("", None, "without spaces"),
        (" Shop", None, "without spaces"),
        ("Shop\n2", None, "one line"),
        ("A" * 41, None, "at most 40 characters, not 41"),
        ("Shop `x`", None, "cannot contain `"),
        ("日本の店", None, "--slug"),
        ("7 Dwarfs", None, "--slug"),
        ("Shop", "7-dwarfs", "begins with a letter"),
        ("Shop", "a--b", "single hyphens"),
        ("Shop", "a_b", "single hyphens"),
        ("FastAPI", None, "is a package"),
    ],
)
def test_refuses_other_names_in_one_line(
    title: str, slug: str | None, reason: str
) -> None:
    with pytest.raises(Refused, match=reason) as refused:
        choose(title, slug, ROOT)

    assert "\n" not in str(refused.value)
