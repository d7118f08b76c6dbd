from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from app.cli import cli


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
