"""The sample for Caddy is valid, and fits the service behind it."""

import re
import subprocess
from pathlib import Path

import pytest

from testbed.service import ROOT
from tests.support.tools import tool

SAMPLE = ROOT / "deploy/caddy/Caddyfile"
caddy = tool("caddy")


@pytest.mark.skipif(not caddy, reason="caddy is missing")
def test_caddy_accepts_the_sample(tmp_path: Path) -> None:
    """Mutant: misspell a directive."""
    line = [str(caddy), "validate", "--adapter=caddyfile", f"--config={SAMPLE}"]
    ended = subprocess.run(
        line,
        env={"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr


def test_idle_connections_end_before_the_service_closes_them() -> None:
    """Mutant: use Caddy's default of 2 minutes."""
    [seconds] = re.findall(r"^\s+keepalive (\d+)s$", SAMPLE.read_text(), re.MULTILINE)
    ours = (ROOT / "app/server/gunicorn_conf.py").read_text()
    [kept] = re.findall(r"^keepalive = (\d+)$", ours, re.MULTILINE)

    assert int(seconds) < int(kept)
