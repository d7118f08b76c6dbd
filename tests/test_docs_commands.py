"""The shell commands of all pages run, or at least name only things that exist."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from app.cli import cli
from app.core.config import Settings
from app.identity import NAME
from testbed.service import ROOT, command, make_environment, start_service
from tests.test_docs import INDEX, PAGES, SHELL

# Pages and programs whose blocks are only checked, because here they cannot run.
ONLY_CHECKED = {
    "README.md": "its tour has a test of its own; the rest installs or configures",
    "AGENTS.md": "runs this suite",
    "deploying.md": "needs root, systemd, Docker or Kubernetes, and a domain",
    "runbooks.md": "needs root, systemd and PostgreSQL",
    "starting.md": "makes a copy and changes its code: drills.copy, .features, .update",
    "adding-a-resource.md": "changes the code: drills.resource",
    "make": "installs packages",
    "journalctl": "needs systemd",
    "drills": "takes minutes, and the suite runs its short form",
    "bench": "takes minutes",
    "add resource": "changes the code: drills.resource",
    "remove resource": "changes the code: drills.resource",
    "app worker": "runs until Ctrl-C",
    "db revision": "writes into the code: tests/db/test_migrate.py",
    "db copy": "needs an empty PostgreSQL: tests/db/test_copying.py",
}
PROGRAMS = "|".join(each for each in ONLY_CHECKED if not each.endswith(".md"))
CANNOT_RUN = re.compile(rf"\b({PROGRAMS})\b")
ASSIGNMENTS = re.compile(r"(\w+=\S.*\n)+")
STARTS = rf"(?:python -m app|(?:^|`|bin/|\| |web |-- |uv run ){NAME})"
LINE_OF_APP = re.compile(rf"{STARTS} +([a-z-][^`#|&;>)\n]+)", re.MULTILINE)
TARGETS = re.compile(r"(?:^|`|&& )make ([a-z]\w*)((?: [A-Z]+=)*)", re.MULTILINE)
MODULES = re.compile(r"python -m (?!app\b)([\w.]+)")
PATHS = re.compile(r"(?<![\w/.])(?:deploy|docs|requirements|tests)/[\w./*-]+")
# `add resource` makes this directory.
NOT_YET = {"tests/api/suppliers"}
SETTINGS = {*Settings.model_fields, "version"}  # the version that a server installs

each_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: str(page.relative_to(ROOT))
)


def blocks(page: Path) -> list[str]:
    return [re.sub("^ +", "", each, flags=re.M) for each in SHELL.findall(text(page))]


def text(page: Path) -> str:
    """The page, with each command of several lines on one line."""
    return re.sub(r" *\\\n *", " ", page.read_text())


def runnable() -> Iterator[str]:
    """Yield the blocks of each page that can run.

    The index comes first. Each other page gets a subshell, which knows the variables of
    the index.
    """
    for page in sorted(PAGES, key=lambda page: page != INDEX):
        if page == INDEX or page.name not in ONLY_CHECKED:
            found = [each for each in blocks(page) if not CANNOT_RUN.search(each)]
            code = "".join(each for each in found if not ASSIGNMENTS.fullmatch(each))
            shell = code if page == INDEX else f"(\n{code}true)\n"
            yield f"page={page.name}\n{shell}" if code else ""


def test_the_commands_of_the_pages_run(tmp_path: Path) -> None:
    """Mutants: write an option that no command has; write a path without `/api/v1`."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    environment = make_environment(tmp_path)
    done = command("setup", environment=environment)
    assert done.returncode == 0, done.stderr
    with start_service(tmp_path, environment=environment) as service:
        script = (
            'set -eEu -o pipefail\ncurl() { command curl --fail-with-body "$@"; }\n'
            "trap 'echo \"$page: $BASH_COMMAND\"' ERR\n" + "".join(runnable())
        )
        ran = subprocess.run(
            ["bash"],
            input=script.replace("http://127.0.0.1:8000", service.url),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=tmp_path,
            env=environment,
            check=False,
        )

    assert ran.returncode == 0, ran.stdout


@each_page
def test_blocks_are_correct_shell(page: Path) -> None:
    for block in blocks(page):
        checked = subprocess.run(
            ["bash", "-n"], input=block, text=True, capture_output=True, check=False
        )
        assert checked.returncode == 0, checked.stderr


@each_page
def test_commands_have_the_options_that_a_page_names(page: Path) -> None:
    """Mutant: write `users create --mail` on a page."""
    for line in LINE_OF_APP.findall(text(page)):
        words = shlex.split(line.rstrip(", "))
        group: Any = get_command(cli)
        while words and hasattr(group, "commands") and not words[0].startswith("-"):
            assert words[0] in group.commands, line
            group = group.commands[words.pop(0)]
        context = group.context_class(group, resilient_parsing=True)
        group.make_parser(context).parse_args(args=words)


@each_page
def test_targets_modules_paths_and_settings_exist(page: Path) -> None:
    """Mutant: write `make tests`, or `RATE_LIMIT_WRITE=600/60`, on a page."""
    makefile = (ROOT / "Makefile").read_text()
    for target, variables in TARGETS.findall(text(page)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
        for name in re.findall(r"\w+", variables):
            assert re.search(rf"\({name}[:)]|ifndef {name}$", makefile, re.M), name
    for block in blocks(page):
        for module in MODULES.findall(block):
            assert find_spec(module), module
        for path in {*PATHS.findall(block)} - NOT_YET:
            assert [*ROOT.glob(path)], path
        if ASSIGNMENTS.fullmatch(block):
            names = re.findall(r"^(\w+)=", block, re.MULTILINE)
            assert {name.lower() for name in names} <= SETTINGS, names


def test_agents_add_a_resource_with_the_command_that_a_drill_runs() -> None:
    """Mutant: change the fields in one of the two files."""
    [block] = blocks(ROOT / ".agents/skills/add-a-resource/SKILL.md")

    assert block in (ROOT / "docs/adding-a-resource.md").read_text()
