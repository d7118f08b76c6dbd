import io
import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.core.logging import configure_logging, get_logger
from app.core.request_context import RequestContext, serving

FIELDS = {"method": "GET", "path": "/caf\u00e9\n", "duration_ms": 1.5, "user_id": None}


@pytest.fixture(autouse=True)
def _configured_afterwards() -> Iterator[None]:
    yield
    configure_logging(level="info", json=True)


class TestJsonFormat:
    @pytest.mark.parametrize("level", ["debug", "info", "warning"])
    def test_writes_one_line_from_the_configured_level_up(
        self, level: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        configure_logging(level=level, json=True)

        get_logger("app.x").info("http.request", **FIELDS)

        written = capsys.readouterr().out
        assert bool(written) == (level != "warning")
        if written:
            assert (written.count("\n"), written[-1]) == (1, "\n")
            line = json.loads(written)
            assert line.pop("timestamp").endswith("Z")
            assert line == FIELDS | {
                "event": "http.request",
                "level": "info",
                "logger": "app.x",
            }

    def test_is_the_same_for_records_of_the_standard_library(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        configure_logging(level="info", json=True)
        error = ValueError("bad")

        with serving(RequestContext("request-1", "192.0.2.7", 0)):
            get_logger("app.x").error("failed", size=1, exc_info=error)
            logging.getLogger("app.x").error(
                "%s", "failed", extra={"size": 1}, exc_info=error
            )

        ours, theirs = map(json.loads, capsys.readouterr().out.splitlines())
        assert {**ours, "timestamp": ""} == {**theirs, "timestamp": ""}
        assert ours["request_id"] == "request-1"
        assert ours["exception"].endswith("ValueError: bad")

    def test_shows_values_of_types_that_json_lacks(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        configure_logging(level="info", json=True)

        get_logger("app.x").info("odd", path=Path("/a"), counts={1: 2})

        line = json.loads(capsys.readouterr().out)
        assert line["path"] == "PosixPath('/a')"
        assert line["counts"] == {"1": 2}


class TestConsoleFormat:
    def test_is_not_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        configure_logging(level="info", json=False)

        get_logger("app.x").info("http.request", **FIELDS)

        assert "http.request" in (line := capsys.readouterr().out)
        assert not line.startswith("{")

    @pytest.mark.parametrize("library", [get_logger, logging.getLogger])
    def test_shows_no_variables(
        self, library: type[logging.Logger], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Mutant: structlog's default, which prints the variables of every frame."""
        configure_logging(level="info", json=False)
        password = "hunter-" + "two"
        try:
            raise RuntimeError(len(password))
        except RuntimeError:
            library("app.x").exception("failed")

        written = capsys.readouterr().out
        assert "RuntimeError" in written
        assert "hunter-two" not in written


def test_capture_logs_sees_events_below_the_configured_level() -> None:
    configure_logging(level="info", json=True)

    with capture_logs() as logs:
        get_logger("app.x").debug("http.request", **FIELDS)

    assert [line["path"] for line in logs] == [FIELDS["path"]]


def test_a_new_configuration_reaches_loggers_in_use(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = get_logger("app.x")
    configure_logging(level="info", json=True)
    log.info("first")

    configure_logging(level="debug", json=False)
    log.debug("second")

    first, second = capsys.readouterr().out.splitlines()
    assert json.loads(first)["event"] == "first"
    assert "second" in second


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
def test_a_full_disk_raises_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: let the error of the write pass."""
    configure_logging(level="info", json=True)
    full = Path("/dev/full").open("w")  # noqa: SIM115 - closing it fails
    monkeypatch.setattr("sys.stdout", full)

    for size in (1, io.DEFAULT_BUFFER_SIZE):  # the flush fails, the write fails
        get_logger("app.x").info("http.request", text="x" * size)

    with pytest.raises(OSError, match="No space left"):
        full.close()


def test_lines_of_threads_do_not_mix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutant: write the line and its line end separately."""
    with (tmp_path / "log").open("w") as file:
        monkeypatch.setattr("sys.stdout", file)
        configure_logging(level="info", json=True)
        ways = [get_logger("app.x").info, logging.getLogger("app.x").info] * 2
        with ThreadPoolExecutor(len(ways)) as threads:
            for way in ways * 100:
                threads.submit(way, "x" * 9000)

    lines = (tmp_path / "log").read_text().splitlines()
    assert [len(json.loads(line)["event"]) for line in lines] == [9000] * 400
