import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from app.cli import cli
from app.identity import NAME, VERSION
from testbed.service import command


def names(group: Any, *path: str) -> Iterator[tuple[str, ...]]:
    for name, each in getattr(group, "commands", {}).items():
        yield (*path, name)
        yield from names(each, *path, name)


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    lines = sorted(names(get_command(cli)))

    assert {("setup",), ("worker",), ("db", "upgrade")} < set(lines)
    for line in lines:
        cli([*line, "--help"], standalone_mode=False)
        said = capsys.readouterr()
        assert said.err == ""
        assert "Usage: " in said.out
        assert "<bool>" not in said.out


@pytest.mark.parametrize("line", ["", "users", "db"])
def test_a_group_alone_prints_its_commands(
    environment: dict[str, str], line: str
) -> None:
    ended = command(*line.split(), environment=environment)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("Usage: ")
    group: Any = get_command(cli)
    for name in line.split():
        group = group.commands[name]
    for name in group.commands:
        assert re.search(rf"^  {name} ", ended.stderr, re.MULTILINE), name


def test_the_version_is_printed(environment: dict[str, str]) -> None:
    ended = command("--version", environment=environment)

    assert (ended.returncode, ended.stdout) == (0, f"{NAME} {VERSION}\n")


def test_completion_is_installed_for_the_name_of_the_command(
    environment: dict[str, str],
) -> None:
    """Mutant: complete for `python -m app`, which no shell does."""
    installed = command("--install-completion", "bash", environment=environment)
    asked = {
        f"_{NAME.upper().replace('-', '_')}_COMPLETE": "complete_bash",
        "COMP_WORDS": f"{NAME} users set-",
        "COMP_CWORD": "2",
    }
    completed = command(environment=environment | asked)

    assert installed.returncode == 0, installed.stderr
    [script] = Path(environment["HOME"], ".bash_completions").iterdir()
    assert script.read_text().endswith(f" {NAME}")
    assert completed.stdout.split() == ["set-role", "set-password"]
