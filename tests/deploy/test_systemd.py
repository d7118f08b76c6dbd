"""The units of systemd start what is installed, and are hardened."""

import shutil
import subprocess
from configparser import RawConfigParser

import pytest

from app.core.config import Settings
from app.core.settings.operation import SHUTDOWN_RESERVE_SECONDS
from app.identity import NAME
from testbed.service import ROOT

UNITS = sorted((ROOT / "deploy/systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
analyze = shutil.which("systemd-analyze")

needs_systemd = pytest.mark.skipif(not analyze, reason="systemd-analyze is missing")


def parsed(name: str) -> RawConfigParser:
    unit = RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(ROOT / "deploy/systemd" / f"{NAME}{name}.service")
    return unit


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_exposure_is_at_most_2(unit: object) -> None:
    """Mutant: remove `ProtectSystem=` and both lines of `SystemCallFilter=`."""
    line = [str(analyze), "security", "--offline=true", "--threshold=20", str(unit)]
    ended = subprocess.run(line, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stdout


@needs_systemd
def test_systemd_knows_every_line() -> None:
    """Mutant: misspell a directive."""
    line = [str(analyze), "verify", "--man=no", *map(str, UNITS)]
    ended = subprocess.run(line, capture_output=True, text=True, check=False)

    # The programs of the units are not installed here.
    said = [each for each in ended.stderr.splitlines() if "/opt/" not in each]
    assert [each for each in said if str(UNITS[0].parent) in each] == []


def test_the_web_process_has_time_to_end() -> None:
    """Mutant: set `TimeoutStopSec=` below the time that gunicorn gives its workers."""
    service = parsed("")["Service"]
    graceful = Settings.model_fields["graceful_timeout_seconds"].default

    assert service["KillMode"] == "mixed"
    assert int(service["TimeoutStopSec"]) > graceful + SHUTDOWN_RESERVE_SECONDS


def test_doctor_knows_the_number_of_workers() -> None:
    """Mutant: set `--workers=2` in the unit, while `doctor` assumes one worker."""
    assert "--workers" not in parsed("")["Service"]["ExecStart"]


def test_both_processes_start_again_after_a_failure() -> None:
    for name in ("", "-worker"):
        assert parsed(name)["Service"]["Restart"] == "always"
