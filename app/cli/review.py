"""The questions of a production readiness review, and where each answer is."""

import tomllib
from pathlib import Path

REVIEW: dict[str, str] = tomllib.loads(
    Path(__file__).with_suffix(".toml").read_text("utf-8")
)
