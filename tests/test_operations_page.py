"""Every event that the service logs is explained in `docs/operations.md`."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from app.core.log_console import REQUEST_EVENT
from app.core.log_fields import ALLOWED, PROCESS, REQUEST

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "operations.md"
LOGS = ROOT / "docs" / "logs.md"
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def names(code: ast.AST) -> Iterator[str]:
    """Yield the event of each call of a log; for `a if x else b`, both events."""
    for node in ast.walk(code):
        match node:
            case ast.Call(func=ast.Attribute(attr=level, value=log), args=[name, *_]):
                if level in LEVELS and ast.unparse(log).endswith("log"):
                    yield from (
                        str(each.value)
                        for each in ast.walk(name)
                        if isinstance(each, ast.Constant)
                    )
            case ast.Dict(keys=[ast.Constant(value="event"), *_], values=[name, *_]):
                if isinstance(name, ast.Constant):
                    yield str(name.value)


def fields(code: ast.AST) -> Iterator[str]:
    """Yield the names of the fields that the calls of a log write out."""
    for node in ast.walk(code):
        match node:
            case ast.Call(func=ast.Attribute(attr=level, value=log), keywords=given):
                if level in LEVELS and ast.unparse(log).endswith("log"):
                    yield from (each.arg for each in given if each.arg)


def test_every_field_of_an_event_is_allowed() -> None:
    """Mutant: log a field that `app.core.log_fields` lacks: its value is replaced."""
    used = {
        name
        for file in (ROOT / "app").rglob("*.py")
        for name in fields(ast.parse(file.read_text()))
    }

    assert used <= ALLOWED


def test_lists_every_event_of_the_log() -> None:
    """Mutants: log an event that the page does not name; name one that is gone."""
    section = PAGE.read_text().partition("## What do the logs say?")[2]
    rows = re.findall(r"^\| (`[a-z_]+\.[^|]+)\|", section, re.MULTILINE)
    listed = [event for row in rows for event in re.findall(r"`([a-z_.]+)`", row)]
    logged = {REQUEST_EVENT} | {
        name
        for file in (ROOT / "app").rglob("*.py")
        for name in names(ast.parse(file.read_text()))
    }

    assert sorted(listed) == sorted(logged)


def test_the_page_of_logs_lists_every_field_of_a_request() -> None:
    """Mutant: add a field to the line and not to the page."""
    listed = {*re.findall(r"`([a-z_]+)`", LOGS.read_text())}

    assert listed >= PROCESS | REQUEST
