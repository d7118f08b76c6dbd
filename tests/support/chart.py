"""Render the chart with Helm, or without it with the parts that Helm is made of."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.identity import NAME
from testbed.service import ROOT
from tests.support.tools import tool

CHART = ROOT / "deploy/helm" / NAME
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
SOURCE = ROOT / "tests/deploy/render/main.go"
LIBRARIES = Path("/usr/share/gocode")  # where Debian's packages put them
PACKAGES = {
    "golang-github-masterminds-sprig-dev": "src/github.com/Masterminds/sprig",
    "golang-k8s-sigs-yaml-dev": "src/sigs.k8s.io/yaml",
}
Values = dict[str, Any]
Object = dict[str, Any]


@dataclass(frozen=True)
class Renderer:
    program: tuple[str, ...]
    merges: bool  # whether it merges the default values, and validates all

    def render(self, values: Values) -> subprocess.CompletedProcess[str]:
        line = [*self.program, "night", str(CHART)]
        if not self.merges:
            values = merged(DEFAULTS, values)
            if found := errors(values):
                return subprocess.CompletedProcess(line, 1, "", found)
        text = yaml.safe_dump(values)
        return subprocess.run(
            line, input=text, capture_output=True, text=True, check=False
        )


def merged(values: Values, given: Values) -> Values:
    """Merge objects key by key, and replace everything else, as Helm does."""
    return values | {
        key: merged(values[key], value)
        if isinstance(value, dict) and isinstance(values.get(key), dict)
        else value
        for key, value in given.items()
    }


def errors(values: Values) -> str:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((CHART / "values.schema.json").read_text())
    found = jsonschema.Draft7Validator(schema).iter_errors(values)
    return "\n".join(f"{each.json_path}: {each.message}" for each in found)


def make_renderer(directory: Path) -> Renderer:
    """Find Helm, or compile what takes its place. Skip the test if both are missing."""
    if helm := tool("helm"):
        template = (helm, "template", "--kube-version=1.34.0", "--values=-")
        return Renderer(template, merges=True)
    go = tool("go")
    if not go or not all((LIBRARIES / path).exists() for path in PACKAGES.values()):
        needed = ", ".join(["golang-go", *PACKAGES])
        pytest.skip(f"helm is missing, and what can take its place: {needed}")
    environment = {
        "GO111MODULE": "off",
        "GOPATH": str(LIBRARIES),
        "GOCACHE": str(ROOT / ".cache/go"),
    }
    program = directory / "render"
    subprocess.run(
        [go, "build", "-o", str(program), str(SOURCE)],
        env=os.environ | environment,
        check=True,
    )
    return Renderer((str(program),), merges=False)


def templates(objects: dict[str, Object]) -> dict[str, Object]:
    """The pod that each object starts, by its name in `objects`."""
    return {
        name: each["spec"]["template"]
        for name, each in objects.items()
        if "template" in each.get("spec", {})
    }
