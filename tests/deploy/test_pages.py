"""The pages for operators name commands, options, settings and files that exist."""

import re
import shlex
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import pytest
from typer.main import get_command

from app.cli import cli
from app.core.config import Settings, secret_names
from app.core.settings.warnings import find_warnings
from app.identity import NAME
from testbed.service import ROOT

DEPLOYING = ROOT / "docs/deploying.md"
PAGES = [DEPLOYING, ROOT / "docs/scaling.md"]
BLOCKS = re.compile(r"^ *```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SETTINGS = {
    *Settings.model_fields,
    *(f"{name}_file" for name in secret_names()),
}
SHELL = {"REQUIREMENTS", "VERSION", "PASSWORD"}  # variables of the blocks

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(page: Path) -> str:
    return "\n".join(BLOCKS.findall(page.read_text()))


def commands(page: Path) -> list[str]:
    """List what follows the name of the command, in blocks and between backticks."""
    called = rf"(?:{NAME}|python -m app) ([a-z-][^\n|`]*)"
    code = [blocks(page), *re.findall(r"`([^`\n]+)`", page.read_text())]
    lines = [line for text in code for line in text.splitlines()]
    begun = rf"^ *(?:sudo -u {NAME} env \S+ )?(?:\S+/)?{called}"
    return [found[1] for line in lines if (found := re.match(begun, line))]


@each_page
def test_commands_exist_with_their_options(page: Path) -> None:
    """Mutant: rename an option of a command that the page shows."""
    found = commands(page)

    assert found
    for line in found:
        command: Any = get_command(cli)
        for word in shlex.split(line):
            if word.startswith("--"):
                known = {name for each in command.params for name in each.opts}
                assert word.partition("=")[0] in {*known, "--help"}, line
            elif children := getattr(command, "commands", None):
                assert word in children, line
                command = children[word]


def test_nothing_to_paste_enters_the_directory_of_the_settings() -> None:
    """Mutant: `cd` into this directory, which only root and the service can enter."""
    assert "cd /etc" not in blocks(DEPLOYING)


@each_page
def test_settings_exist(page: Path) -> None:
    """Mutant: rename a setting that the page shows."""
    named = set(re.findall(r"^ *([A-Z][A-Z_]{3,})=", blocks(page), re.MULTILINE))
    named |= set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", page.read_text()))

    assert {name for name in named - SHELL if name.lower() not in SETTINGS} == set()


@each_page
def test_files_of_the_repository_exist(page: Path) -> None:
    named = re.findall(r"\b(?:deploy|requirements)/[\w./-]*\w", page.read_text())

    assert [file for file in named if not (ROOT / file).exists()] == []


def test_a_section_says_how_to_rotate_each_secret() -> None:
    """Mutant: add a setting for a secret, but do not say how to rotate it."""
    pages = "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    sections = re.findall(r"^## How do I rotate .*?(?=^##? )", pages, re.M | re.S)

    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", "".join(sections)))
    assert {name.upper() for name in secret_names()} - named == set()


def test_the_settings_to_paste_are_valid_and_not_weak(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mutant: leave out PUBLIC_BASE_URL or TRUSTED_PROXIES."""
    text = blocks(DEPLOYING).partition("ENVIRONMENT=")[2].partition("\nEND\n")[0]
    text = text.replace("$(openssl rand -base64 48)", token_urlsafe(48))
    text = text.replace("…", "Rk1-long-and-random")
    for line in f"ENVIRONMENT={text}".splitlines():
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value)

    assert [*find_warnings(Settings(_env_file=None))] == []
