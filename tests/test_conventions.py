"""AGENTS.md and the files of other tools name only commands that exist."""

import json
import re
import subprocess

import pytest
import yaml

from testbed.service import ROOT

AGENTS = re.findall(r"^make (.+?)(?:  |$)", (ROOT / "AGENTS.md").read_text(), re.M)
CONTAINER = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())


@pytest.mark.parametrize(
    "target", [*AGENTS, CONTAINER["postCreateCommand"].removeprefix("make ")]
)
def test_instructions_name_targets_that_exist(target: str) -> None:
    """Mutant: rename a target of the Makefile."""
    # `make test` can set RESOLUTION, with which only some targets exist.
    line = ["make", "--dry-run", "RESOLUTION=", *target.split()]
    ended = subprocess.run(line, cwd=ROOT, capture_output=True, check=False)

    assert ended.returncode == 0, ended.stderr


def test_the_workflow_runs_the_checks_and_may_only_read() -> None:
    """Mutants: use an action of others; keep the default permissions."""
    [job] = WORKFLOW["jobs"].values()

    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert not any("uses" in step for step in job["steps"])
    assert job["steps"][-1]["run"] == "${{ matrix.run }}"
    assert job["strategy"]["matrix"]["run"][0] == ".ci/run"
    assert (ROOT / ".ci/run").stat().st_mode & 0o100


def test_hooks_use_the_tools_of_the_checks() -> None:
    checks = (ROOT / "Makefile").read_text().replace("$(BIN)", ".venv/bin")
    [source] = HOOKS

    assert source["repo"] == "local"
    for hook in source["hooks"]:
        tool = hook["entry"].removesuffix(" --force-exclude")
        assert tool in checks, tool
