import json
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.core.log_fields import REPLACED
from app.core.log_writer import MOST_WAITING
from app.core.logging import configure_logging, get_logger, writer
from app.core.request_context import RequestContext, serving

FIELDS = {"method": "GET", "path": "/caf\u00e9\n", "duration_ms": 1.5, "user_id": None}
ABOUT = {"service_name": "shop", "service_version": "1.2"}


Written = Callable[[], str]


@pytest.fixture
def written(capfd: pytest.CaptureFixture[str]) -> Written:
    """Read what the log has written to stdout."""

    def read() -> str:
        writer.drain(60)
        return capfd.readouterr().out

    return read


@pytest.fixture(autouse=True)
def _configured_afterwards() -> Iterator[None]:
    yield
    configure_logging(level="info", json=True)


class TestJsonFormat:
    @pytest.mark.parametrize("level", ["debug", "info", "warning"])
    def test_writes_one_line_from_the_configured_level_up(
        self, level: str, written: Written
    ) -> None:
        configure_logging(level=level, json=True)

        get_logger("app.x").info("http.request", **FIELDS)

        lines = written()
        assert bool(lines) == (level != "warning")
        if lines:
            assert (lines.count("\n"), lines[-1]) == (1, "\n")
            line = json.loads(lines)
            assert line.pop("timestamp").endswith("Z")
            assert line.pop("process_pid") == os.getpid()
            assert line == FIELDS | {
                "event": "http.request",
                "level": "info",
                "logger": "app.x",
            }

    def test_is_the_same_for_records_of_the_standard_library(
        self, written: Written
    ) -> None:
        configure_logging(level="info", json=True)
        error = ValueError("bad")

        with serving(RequestContext("request-1", "192.0.2.7", 0)):
            get_logger("app.x").error("failed", attempts=1, exc_info=error)
            logging.getLogger("app.x").error(
                "%s", "failed", extra={"attempts": 1}, exc_info=error
            )

        ours, theirs = map(json.loads, written().splitlines())
        assert {**ours, "timestamp": ""} == {**theirs, "timestamp": ""}
        assert ours["request_id"] == "request-1"
        assert ours["exception"].endswith("ValueError: bad")

    def test_shows_values_of_types_that_json_lacks(self, written: Written) -> None:
        configure_logging(level="info", json=True)

        get_logger("app.x").info("odd", path=Path("/a"), settings={1: 2})

        line = json.loads(written())
        assert line["path"] == "PosixPath('/a')"
        assert line["settings"] == {"1": 2}

    @pytest.mark.parametrize("library", [get_logger, logging.getLogger])
    def test_has_only_fields_that_are_allowed(
        self, library: type[logging.Logger], written: Written
    ) -> None:
        """Mutant: list the forbidden fields instead, so that new fields are allowed."""
        configure_logging(level="info", json=True)
        fields: dict[str, Any] = {"reason": "kept", "api_token": "t0p-s3cret"}

        if library is get_logger:
            get_logger("app.x").info("asked", **fields)
        else:
            logging.getLogger("app.x").info("asked", extra=fields)

        line = json.loads(lines := written())
        assert line["reason"] == "kept"
        assert line["api_token"] == REPLACED
        assert "t0p-s3cret" not in lines

    def test_names_the_service_and_the_process(self, written: Written) -> None:
        configure_logging(level="info", json=True, about=ABOUT)

        get_logger("app.x").info("asked")
        logging.getLogger("app.x").info("asked")

        for line in map(json.loads, written().splitlines()):
            assert line.items() >= {**ABOUT, "process_pid": os.getpid()}.items()


class TestConsoleFormat:
    def test_begins_a_request_with_its_status_and_duration(
        self, written: Written
    ) -> None:
        configure_logging(level="info", json=False)
        request = {**FIELDS, "path": "/a", "status_code": 503, "request_id": "r-1"}

        get_logger("app.x").info("http.request", **request, db_queries=2, db_ms=0.7)

        shown = "503       1.5 ms  GET /a  2 SQL 0.7 ms  http.request  r-1"
        assert written() == f"{shown}\n"

    def test_is_not_json(self, written: Written) -> None:
        configure_logging(level="info", json=False)

        get_logger("app.x").info("http.request", **FIELDS)

        assert "http.request" in (line := written())
        assert not line.startswith("{")

    @pytest.mark.parametrize("library", [get_logger, logging.getLogger])
    def test_shows_no_variables(
        self, library: type[logging.Logger], written: Written
    ) -> None:
        """Mutant: use structlog's default, which prints the variables of each frame."""
        configure_logging(level="info", json=False)
        password = "hunter-" + "two"
        try:
            raise RuntimeError(len(password))
        except RuntimeError:
            library("app.x").exception("failed")

        lines = written()
        assert "RuntimeError" in lines
        assert "hunter-two" not in lines


def test_capture_logs_sees_events_below_the_configured_level() -> None:
    configure_logging(level="info", json=True)

    with capture_logs() as logs:
        get_logger("app.x").debug("http.request", **FIELDS)

    assert [line["path"] for line in logs] == [FIELDS["path"]]


def test_a_new_configuration_reaches_loggers_in_use(
    written: Written,
) -> None:
    log = get_logger("app.x")
    configure_logging(level="info", json=True)
    log.info("first")

    configure_logging(level="debug", json=False)
    log.debug("second")

    first, second = written().splitlines()
    assert json.loads(first)["event"] == "first"
    assert "second" in second


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
def test_a_full_disk_loses_only_the_lines_written_meanwhile(
    monkeypatch: pytest.MonkeyPatch, written: Written
) -> None:
    """Mutant: do not catch the error of the write, so that the thread ends."""
    configure_logging(level="info", json=True)
    with Path("/dev/full").open("w") as full, monkeypatch.context() as patched:
        patched.setattr("sys.stdout", full)
        get_logger("app.x").info("lost")
        writer.drain(60)

    get_logger("app.x").info("kept")

    assert [json.loads(line)["event"] for line in written().splitlines()] == ["kept"]


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
        writer.drain(60)

    lines = (tmp_path / "log").read_text().splitlines()
    assert [len(json.loads(line)["event"]) for line in lines] == [9000] * 400


def test_lines_that_a_stalled_reader_does_not_take_are_dropped_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mutants: write in the caller's thread; limit no queue; count no lines."""
    configure_logging(level="info", json=True)
    ways = [get_logger("app.x").info, logging.getLogger("app.x").info] * MOST_WAITING
    read_end, write_end = os.pipe()
    with open(read_end, "rb") as reader, ThreadPoolExecutor(1) as threads:
        with open(write_end, "w") as stalled, monkeypatch.context() as patched:
            fill(write_end)
            patched.setattr("sys.stdout", stalled)
            for number, way in enumerate(ways):
                way(str(number))
            read = threads.submit(reader.read)
            writer.drain(60)
        lines = [json.loads(line) for line in read.result().splitlines() if line]

    [dropped] = [line for line in lines if line["event"] == "log.dropped"]
    kept = [int(line["event"]) for line in lines if line is not dropped]
    assert (dropped["level"], dropped["logger"]) == ("warning", "app.core.logging")
    assert dropped["lines"] > MOST_WAITING / 2
    assert len(kept) + dropped["lines"] == len(ways)
    assert kept == sorted(kept)


def fill(pipe: int) -> None:
    """Write line ends until the pipe takes no more."""
    os.set_blocking(pipe, False)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe, b"\n")
    os.set_blocking(pipe, True)
