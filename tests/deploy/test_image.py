"""The image does not run as root, and installs only what the lock files name.

`drills/image.py` runs the steps of the Dockerfile.
"""

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from testbed.dockerfile import instructions
from testbed.service import ROOT
from tests.support.tools import tool

DOCKERFILE = ROOT / "deploy/Dockerfile"
STEPS = instructions(DOCKERFILE)
hadolint = tool("hadolint")


def values(name: str) -> list[str]:
    return [step.value for step in STEPS if step.name == name]


@pytest.mark.skipif(not hadolint, reason="hadolint is missing")
def test_hadolint_finds_nothing() -> None:
    line = [str(hadolint), "--no-color", str(DOCKERFILE)]
    ended = subprocess.run(line, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout) == (0, "")


def test_pip_installs_only_wheels_with_a_locked_hash() -> None:
    """Mutant: run `pip install .`, which takes the newest dependencies."""
    installs = [
        command
        for step in values("RUN")
        for command in step.split("&&")
        if "pip install" in command
    ]

    assert len(installs) == 3
    for command in installs:
        assert "--require-hashes" in command or "--no-index --no-deps" in command


def test_dependabot_can_update_the_base() -> None:
    """Mutants: write `FROM ${PYTHON}`, which Dependabot cannot read; cut the digest."""
    base, *others = values("FROM")

    assert re.fullmatch(r"python:\S+-slim-\w+(@sha256:[0-9a-f]{64})? AS base", base)
    assert others == ["base AS build", "base"]


def test_runs_as_a_user_that_owns_nothing() -> None:
    """Mutant: remove USER, so that the process runs as root."""
    [user] = values("USER")

    assert user == "10001:10001"
    assert "--chown" not in DOCKERFILE.read_text()


def test_signals_reach_the_process() -> None:
    """Mutant: use the shell form, whose shell does not pass SIGTERM on."""
    [command] = values("CMD")
    [health] = values("HEALTHCHECK")

    assert json.loads(command)[0] == "gunicorn"
    assert json.loads(health.partition("CMD ")[2])[0] == "python"
    assert values("STOPSIGNAL") == ["SIGTERM"]


def allowed() -> Iterator[str]:
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line.startswith("!"):
            yield line.removeprefix("!")


def test_the_context_holds_what_is_copied_and_nothing_else() -> None:
    """Mutant: copy `.`, with `.env` and the database in it."""
    copied = {
        source
        for value in values("COPY")
        if not value.startswith("--from=")
        for source in value.split()[:-1]
    }

    assert copied == {*allowed()}
    assert all((ROOT / source).exists() for source in copied)
