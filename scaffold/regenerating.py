"""Brings a checkout into the form that its checks expect, as `make format` does."""

import subprocess
import sys
from pathlib import Path

STEPS = (
    ("ruff", "format", "--quiet", "."),
    ("ruff", "check", "--fix", "--quiet", "--exit-zero", "."),
    ("reference",),
)


def regenerate(root: Path) -> list[str]:
    """Format, and generate the lists in `docs/`. Return what failed."""
    failed = []
    for step in STEPS:
        line = [sys.executable, "-m", *step]
        ended = subprocess.run(
            line, cwd=root, text=True, capture_output=True, check=False
        )
        if ended.returncode:
            failed.append(f"{' '.join(step)}: {ended.stderr.strip()[-2000:]}")
    return failed
