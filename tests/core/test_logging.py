"""The line of every request takes a shorter way, and is the same line."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from app.core.logging import LineWriter, configure_logging, get_logger

FIELDS = {"method": "GET", "path": "/caf\u00e9\n", "duration_ms": 1.5, "user_id": None}


@pytest.fixture(autouse=True)
def _configured_afterwards() -> Iterator[None]:
    yield
    configure_logging(level="info", json=True)


@pytest.mark.parametrize("level", ["debug", "info", "warning"])
def test_both_ways_write_the_same(
    level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(level=level, json=True)

    LineWriter("app.x").info("http.request", dict(FIELDS))
    short = capsys.readouterr().out
    get_logger("app.x").info("http.request", **FIELDS)
    usual = capsys.readouterr().out

    assert bool(short) == bool(usual) == (level != "warning")
    if short:
        assert short.count("\n") == 1
        written, expected = json.loads(short), json.loads(usual)
        assert abs(len(written["timestamp"]) - len(expected["timestamp"])) in (0, 7)
        del written["timestamp"], expected["timestamp"]
        assert written == expected


def test_the_console_has_its_own_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="info", json=False)

    LineWriter("app.x").info("http.request", dict(FIELDS))

    assert "http.request" in (line := capsys.readouterr().out)
    assert not line.startswith("{")


def test_a_test_may_capture_it() -> None:
    configure_logging(level="info", json=True)

    with structlog.testing.capture_logs() as logs:
        LineWriter("app.x").info("http.request", dict(FIELDS))

    assert [line["path"] for line in logs] == [FIELDS["path"]]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
def test_a_full_disk_fails_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: let the error of the write through."""
    configure_logging(level="info", json=True)
    full = Path("/dev/full").open("w")  # noqa: SIM115 - closing it fails
    monkeypatch.setattr("sys.stdout", full)

    LineWriter("app.x").info("http.request", dict(FIELDS))

    with pytest.raises(OSError, match="No space left"):
        full.close()


def test_the_console_shows_no_variables(capsys: pytest.CaptureFixture[str]) -> None:
    """Mutant: structlog's default prints the locals of every frame."""
    configure_logging(level="info", json=False)
    password = "hunter-" + "two"
    try:
        raise RuntimeError(len(password))
    except RuntimeError:
        logging.getLogger("app.x").exception("failed")

    written = capsys.readouterr().out
    assert "RuntimeError" in written
    assert "hunter-two" not in written
