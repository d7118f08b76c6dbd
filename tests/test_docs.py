"""The links of the documentation lead to a target, and its quotes are the code."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.identity import NAME
from testbed.service import ROOT

INDEX = ROOT / "docs" / "README.md"
SKILLS = sorted(ROOT.glob(".agents/skills/*/SKILL.md"))
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *SKILLS])
FENCED = re.compile(
    r'^```\w*(?: title="(?P<file>[^"]+)")?\n(?P<code>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
FOLDERS = "|".join(each.name for each in (ROOT / "app").iterdir() if each.is_dir())
FILE_OF_APP = re.compile(rf"(?<![\w/.])(?:app|{FOLDERS})/[\w./-]*\w\.\w+")
# These pages name files on purpose, to say where code belongs.
NAMING_FILES = {"CONTRIBUTING.md", "adding-a-resource.md", "starting.md"}

each_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: str(page.relative_to(ROOT))
)


def prose(page: Path) -> str:
    return FENCED.sub("", page.read_text())


def links(text: str) -> Iterator[tuple[str, str]]:
    """The file and the anchor of each relative link; either can be empty."""
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", text)):
        if "://" not in target:
            file, _, anchor = target.partition("#")
            yield file, anchor


def anchors(page: Path) -> set[str]:
    """The headings of a page, as GitHub links to them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


@each_page
def test_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    for file, anchor in links(prose(page)):
        target = page.parent / file if file else page

        assert target.is_file(), file
        assert not anchor or anchor in anchors(target), f"{file}#{anchor}"


def test_the_index_lists_every_page_once() -> None:
    listed = [(INDEX.parent / file).resolve() for file, _ in links(prose(INDEX))]
    pages = {*ROOT.glob("docs/**/*.md")} - {INDEX}

    assert len(listed) == len({*listed})
    assert pages <= {*listed}


def test_only_the_index_links_to_the_page_of_a_resource() -> None:
    """Otherwise the page could not be deleted with its resource."""
    resources = prose(INDEX).partition("\n## Resources\n")[2]
    own = {(INDEX.parent / file).resolve() for file, _ in links(resources)}
    found = [
        f"{page.name}: {file}"
        for page in PAGES
        for file, _ in links(prose(page))
        if page != INDEX and (page.parent / file).resolve() in own
    ]

    assert not found


@each_page
def test_prose_names_a_symbol_or_a_setting_instead_of_a_file(page: Path) -> None:
    """Otherwise each move of a file would also change the prose."""
    if page.name not in NAMING_FILES:
        assert not FILE_OF_APP.findall(prose(page))


@each_page
def test_tests_that_a_page_names_exist(page: Path) -> None:
    for file in re.findall(r"\btests/[\w/]+\.py\b", prose(page)):
        assert (ROOT / file).is_file(), file


@each_page
def test_quotes_are_the_code(page: Path) -> None:
    for quote in FENCED.finditer(page.read_text()):
        file = quote["file"] or ""
        if file.startswith(("tests/notes/", "clients/")) and (ROOT / file).exists():
            assert quote["code"] in (ROOT / file).read_text()


SHELL = re.compile(r"^ *```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
# On a server the command is on the PATH, as deploying.md describes.
ON_A_SERVER = {"deploying.md", "runbooks.md"}


@each_page
def test_commands_work_whether_or_not_the_environment_is_active(page: Path) -> None:
    """Mutant: write `python -m app db upgrade` on a page."""
    lines = "\n".join(SHELL.findall(page.read_text()))
    programs = rf"(?:{NAME}|python|gunicorn|pytest)\b"
    bare = re.findall(rf"(?:^ *|[|&] )(?:\w+=\S+ )*({programs}.*)", lines, re.M)

    assert page.name in ON_A_SERVER or not bare
